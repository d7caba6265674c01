// Records a line in the browser: 48 kHz, one channel, 16 bits, as a WAV in the form's file field. The form sends it as
// it sends any file, so everything else is the page's own.
const RATE = 48000;
const LONGEST = 20;
const KEY_CLICK = 0.2; // seconds after the key, before the recording begins

let context = null;
let taker = null;
let taking = null;
let take = null; // the last recording: {key, file}
let player = null;

const box = () => document.querySelector("[data-recorder]");
const at = (id) => document.getElementById(id);

function say(word) {
  at("record-state").textContent = box().dataset[`words${word}`] ?? "";
}

async function microphone() {
  if (context) return;
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const opened = new AudioContext({ sampleRate: RATE });
  await opened.audioWorklet.addModule(new URL("recorder-worklet.js", import.meta.url).href);
  taker = new AudioWorkletNode(opened, "taker", { numberOfOutputs: 0 });
  opened.createMediaStreamSource(stream).connect(taker);
  taker.port.onmessage = ({ data }) => hear(data);
  context = { opened, stream };
}

function release() {
  if (!context) return;
  for (const track of context.stream.getTracks()) track.stop();
  context.opened.close();
  context = taker = taking = null;
}

function hear(samples) {
  if (!taking) return;
  taking.passed += samples.length;
  if (taking.passed < KEY_CLICK * RATE) return;
  if (!taking.parts.length) say("Now");
  taking.parts.push(samples);
  let peak = 0;
  for (const each of samples) peak = Math.max(peak, Math.abs(each));
  taking.peak = Math.max(peak, taking.peak * 0.9);
  taking.highest = Math.max(peak, taking.highest);
  at("level").value = taking.peak;
  at("seconds").textContent = `${Math.floor((taking.parts.length * samples.length) / RATE)} s`;
  if (taking.parts.length * samples.length >= LONGEST * RATE) stop();
}

async function record() {
  if (taking) return stop();
  player?.pause();
  say("Wait");
  try {
    await microphone();
    await context.opened.resume();
  } catch {
    return say("Denied");
  }
  if (!box()) return release();
  taking = { parts: [], passed: 0, peak: 0, highest: 0 };
  take = null;
  at("record-word").textContent = box().dataset.wordsStop;
  at("listen").disabled = true;
  at("seconds").textContent = "";
}

function stop() {
  const { parts, highest } = taking;
  taking = null;
  at("record-word").textContent = box().dataset.wordsRecord;
  at("level").value = 0;
  if (!parts.length) return say("");
  take = { key: box().dataset.key, file: new File([wav(parts)], "opptak.wav", { type: "audio/wav" }) };
  show();
  say(highest >= 0.999 ? "Clipped" : "Made");
}

function show() {
  const files = new DataTransfer();
  files.items.add(take.file);
  at("recording").files = files.files;
  at("listen").disabled = false;
}

function listen() {
  if (player && !player.paused) return player.pause();
  if (player) URL.revokeObjectURL(player.src);
  player = new Audio(URL.createObjectURL(take.file));
  player.play();
}

function wav(parts) {
  const count = parts.reduce((sum, each) => sum + each.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * count));
  const word = (place, text) => [...text].forEach((letter, n) => view.setUint8(place + n, letter.charCodeAt(0)));
  word(0, "RIFF");
  view.setUint32(4, 36 + 2 * count, true);
  word(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, 2 * count, true);
  let place = 44;
  for (const part of parts) {
    for (const each of part) {
      view.setInt16(place, Math.max(-1, Math.min(1, each)) * 32767, true);
      place += 2;
    }
  }
  return view;
}

document.addEventListener("click", (event) => {
  if (event.target.closest("#record")) record();
  if (event.target.closest("#listen") && take) listen();
});

// A page that was swapped in: a recording that was refused can still be heard and sent again.
function prepare() {
  taking = null;
  player?.pause();
  if (!box()) {
    release();
    return;
  }
  const able = Boolean(navigator.mediaDevices && window.AudioWorkletNode);
  box().querySelector(".with-script").hidden = !able;
  at("send-file").open = !able;
  at("record-word").textContent = box().dataset.wordsRecord;
  at("recording").value = "";
  at("seconds").textContent = "";
  if (take?.key === box().dataset.key && "refused" in box().dataset) return show();
  take = null;
  at("listen").disabled = true;
}

document.addEventListener("htmx:after:swap", prepare);
prepare();
