// Records what the anti-spoofing networks of npm Human answer when fed by Human's own steps (tfjs, pure-js CPU backend):
// crop of the squared box × 1.4 (blazeface.ts, facemeshutil.ts), then resizeBilinear to the network's side. From the root:
//
//   python -m tests.golden.liveness_inputs out/liveness && node tests/golden/record_liveness.mjs out/liveness \
//     > tests/golden/liveness_recorded.json
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const [folder] = process.argv.slice(2);
const packages = resolve('node_modules/@vladmandic');
const log = console.log;
console.log = () => {}; // the library talks
globalThis.window = { document: {} }; // as in record_networks.mjs
const tf = await import(join(packages, 'human/dist/tfjs.esm.js'));
await tf.setBackend('cpu');
await tf.ready();

const MESH_SIDE = 192; // what facemesh.ts crops to before the other networks see the face
const inputs = JSON.parse(readFileSync(join(folder, 'inputs.json')));

async function load(name) {
  const json = JSON.parse(readFileSync(join(packages, 'human/models', `${name}.json`)));
  const data = readFileSync(join(packages, 'human/models', `${name}.bin`));
  return tf.loadGraphModel({
    load: async () => ({
      modelTopology: json.modelTopology, format: json.format,
      weightSpecs: json.weightsManifest.flatMap((group) => group.weights),
      weightData: data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength),
    }),
  });
}

const networks = { real: await load('antispoof'), live: await load('liveness') };
const recorded = [];
for (const { file, shape, box } of inputs) {
  const bytes = readFileSync(join(folder, file));
  const picture = tf.tensor4d(new Float32Array(bytes), [1, ...shape]);
  const centre = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
  const half = Math.max(box[2] - box[0], box[3] - box[1]) * 1.4 / 2;
  const [x0, y0, x1, y1] = [centre[0] - half, centre[1] - half, centre[0] + half, centre[1] + half].map(Math.round);
  const [height, width] = shape;
  const face = tf.div(tf.image.cropAndResize(picture, [[y0 / height, x0 / width, y1 / height, x1 / width]], [0], [MESH_SIDE, MESH_SIDE]), 255);
  const scores = {};
  const exact = {}; // of the pixels about the box's middle as they are: nothing is shrunk
  for (const [name, model] of Object.entries(networks)) {
    const side = model.inputs[0].shape[2];
    scores[name] = (await model.execute(tf.image.resizeBilinear(face, [side, side], false)).data())[0];
    const [x, y] = centre.map((middle) => Math.floor(middle) - side / 2);
    const pixels = tf.div(tf.slice(picture, [0, y, x, 0], [1, side, side, 3]), 255);
    exact[name] = Array.from(await model.execute(pixels).data());
  }
  recorded.push({ file, sha256: createHash('sha256').update(bytes).digest('hex'), scores, exact });
}
log(JSON.stringify({ packages: { human: '3.3.6' }, pictures: recorded }, null, 1));
