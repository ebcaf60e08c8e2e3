// Packs rendered PNGs into one icon file: node pack.mjs ico|icns OUT PNG...
import { readFileSync, writeFileSync } from "node:fs";

const [kind, out, ...sources] = process.argv.slice(2);
const pictures = sources.map((source) => {
  const data = readFileSync(source);
  return { data, size: data.readUInt32BE(16) };
});

/** https://learn.microsoft.com/en-us/previous-versions/ms997538(v=msdn.10) */
function ico() {
  const header = Buffer.alloc(6 + 16 * pictures.length);
  header.writeUInt16LE(1, 2);
  header.writeUInt16LE(pictures.length, 4);
  let offset = header.length;
  pictures.forEach(({ data, size }, index) => {
    const at = 6 + 16 * index;
    header.writeUInt8(size % 256, at);
    header.writeUInt8(size % 256, at + 1);
    header.writeUInt16LE(1, at + 4);
    header.writeUInt16LE(32, at + 6);
    header.writeUInt32LE(data.length, at + 8);
    header.writeUInt32LE(offset, at + 12);
    offset += data.length;
  });
  return Buffer.concat([header, ...pictures.map(({ data }) => data)]);
}

/** The chunk names of PNG pictures by size. */
const chunkNames = { 16: "icp4", 32: "icp5", 64: "icp6", 128: "ic07", 256: "ic08", 512: "ic09", 1024: "ic10" };

function icns() {
  const chunks = pictures.map(({ data, size }) => {
    const head = Buffer.alloc(8);
    head.write(chunkNames[size], "ascii");
    head.writeUInt32BE(data.length + 8, 4);
    return Buffer.concat([head, data]);
  });
  const body = Buffer.concat(chunks);
  const head = Buffer.alloc(8);
  head.write("icns", "ascii");
  head.writeUInt32BE(body.length + 8, 4);
  return Buffer.concat([head, body]);
}

const packers = { ico, icns };
writeFileSync(out, packers[kind]());
