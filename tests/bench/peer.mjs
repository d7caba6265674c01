// The same call in Node without a library and without a database, for comparison only. Node 20 needs
// --experimental-websocket.
const { INNRINGING_ARI_PORT: port, INNRINGING_ARI_PASSWORD: password } = process.env;
const signed = { Authorization: `Basic ${Buffer.from(`innringing:${password}`).toString("base64")}` };
const key = encodeURIComponent(`innringing:${password}`);
const events = new WebSocket(`ws://127.0.0.1:${port}/ari/events?app=node&api_key=${key}`);
const digits = new Map();

async function ask(method, path) {
  const answer = await fetch(`http://127.0.0.1:${port}/ari/${path}`, { method, headers: signed });
  await answer.arrayBuffer();
}

function play(channel, prompt) {
  return ask("POST", `channels/${channel}/play/${channel}-${prompt}?media=sound:innringing/${prompt}`);
}

events.onmessage = async ({ data }) => {
  const event = JSON.parse(data);
  const channel = event.channel?.id;
  if (event.type === "StasisStart") {
    digits.set(channel, 0);
    await ask("POST", `channels/${channel}/answer`);
    await play(channel, "ask_identity");
  } else if (event.type === "ChannelDtmfReceived") {
    const pressed = digits.get(channel) + 1;
    digits.set(channel, pressed);
    if (pressed === 1) await ask("DELETE", `playbacks/${channel}-ask_identity`);
    if (pressed === 11) await play(channel, "received");
  } else if (event.type === "PlaybackFinished" && event.playback.id.endsWith("-received")) {
    await ask("DELETE", `channels/${event.playback.target_uri.replace("channel:", "")}`);
  } else if (event.type === "StasisEnd") {
    digits.delete(channel);
  }
};
process.on("SIGTERM", () => process.exit(0));
