// Passes on what the microphone hears, as it comes.
class Taker extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) this.port.postMessage(samples.slice());
    return true;
  }
}
registerProcessor("taker", Taker);
