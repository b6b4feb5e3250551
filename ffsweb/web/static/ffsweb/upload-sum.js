// A worker that makes the SHA-256 of a file, so that the page stays free.
// In: a File. Out: {done} now and then, {sum} at the end, or {wrong} if the file cannot be read (any more).
import { sha256 } from "./vendor/noble-hashes-2.4.0/sha2.js";

const SLICE = 8 * 1024 * 1024;
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

onmessage = async ({ data: file }) => {
  try {
    const sum = sha256.create();
    for (let at = 0; at < file.size; at += SLICE) {
      sum.update(new Uint8Array(await file.slice(at, at + SLICE).arrayBuffer()));
      postMessage({ done: Math.min(at + SLICE, file.size) });
    }
    postMessage({ sum: hex(sum.digest()) });
  } catch (error) {
    postMessage({ wrong: String(error?.message ?? error) });
  }
};
