// Records what the original JavaScript networks answer (tfjs, pure-js CPU backend). From the repository root:
//
//   python tests/golden/network_inputs.py out/golden && node tests/golden/record_networks.mjs out/golden \
//     > tests/golden/networks_recorded.json
//
// Packages: @vladmandic/face-api 1.7.15 and @vladmandic/human 3.3.6 from node_modules (about a minute).
// Long outputs are kept sparsely: every `step`-th number, and the sum and length of all.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const [folder] = process.argv.slice(2);
const packages = resolve('node_modules/@vladmandic');
const MOST = 260;

const log = console.log;
console.log = () => {}; // the libraries talk
globalThis.window = { document: {} }; // tfjs' node platform needs a TextEncoder that node's util no longer bundles; the browser one fits
const faceapi = await import(join(packages, 'face-api/dist/face-api.esm.js'));
const human = await import(join(packages, 'human/dist/tfjs.esm.js'));
for (const tf of [faceapi.tf, human]) { await tf.setBackend('cpu'); await tf.ready(); }

const shapes = JSON.parse(readFileSync(join(folder, 'shapes.json')));

function input(tf, name) {
  const bytes = readFileSync(join(folder, `${name}.raw`));
  return { sha256: createHash('sha256').update(bytes).digest('hex'), tensor: tf.tensor4d(new Float32Array(bytes), shapes[name]) };
}

function sparse(tensor) {
  const rows = tensor.shape[0];
  const all = tensor.dataSync();
  const size = all.length / rows;
  const step = Math.max(1, Math.ceil(size / MOST));
  return Array.from({ length: rows }, (_, row) => {
    const values = all.slice(row * size, (row + 1) * size);
    const sum = values.reduce((total, value) => total + value, 0);
    const length = Math.sqrt(values.reduce((total, value) => total + value * value, 0));
    return { size, step, sum, length, values: Array.from(values.filter((_, index) => index % step === 0)) };
  });
}

function weightMap(tf, name) {
  const base = join(packages, 'face-api/model', `${name}_model`);
  const manifest = JSON.parse(readFileSync(`${base}-weights_manifest.json`));
  const data = readFileSync(`${base}.bin`);
  return tf.io.decodeWeights(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength), manifest.flatMap((group) => group.weights));
}

async function faceApi(name, manifest, net, answer) {
  const { tf } = faceapi;
  net.loadFromWeightMap(weightMap(tf, manifest));
  const { sha256, tensor } = input(tf, name);
  const outputs = await answer(net, await faceapi.toNetInput(tf.unstack(tensor)), tensor);
  return { sha256, outputs: Object.fromEntries(Object.entries(outputs).map(([key, value]) => [key, sparse(value)])) };
}

async function graph(name, prepare, names) {
  const json = JSON.parse(readFileSync(join(packages, 'human/models', `${name}.json`)));
  const data = readFileSync(join(packages, 'human/models', `${name}.bin`));
  const model = await human.loadGraphModel({
    load: async () => ({
      ...json,
      weightSpecs: json.weightsManifest.flatMap((group) => group.weights),
      weightData: data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength),
    }),
  });
  const { sha256, tensor } = input(human, name);
  const results = [model.execute(prepare(human, tensor), Object.values(names))].flat(); // one output comes bare
  return { sha256, outputs: Object.fromEntries(Object.keys(names).map((key, index) => [key, sparse(results[index])])) };
}

const recorded = {
  face_recognition: await faceApi('face_recognition', 'face_recognition', new faceapi.FaceRecognitionNet(),
    (net, batch) => ({ descriptor: net.forwardInput(batch) })),
  face_expression: await faceApi('face_expression', 'face_expression', new faceapi.FaceExpressionNet(),
    async (net, batch) => ({ probabilities: await net.forwardInput(batch) })),
  age_gender: await faceApi('age_gender', 'age_gender', new faceapi.AgeGenderNet(),
    async (net, batch) => { const { age, gender } = await net.forwardInput(batch); return { age: age.reshape([-1, 1]), gender }; }),
  face_landmark_68: await faceApi('face_landmark_68', 'face_landmark_68', new faceapi.FaceLandmark68Net(),
    (net, batch) => ({ points: net.runNet(batch) })),
  ssd_mobilenetv1: await faceApi('ssd_mobilenetv1', 'ssd_mobilenetv1', new faceapi.SsdMobilenetv1(), async (net, _, tensor) => {
    const { tf } = faceapi;
    const parts = { boxes: [], scores: [] }; // its forward pass answers for one picture
    for (const picture of tf.unstack(tensor)) {
      const answer = net.forwardInput(await faceapi.toNetInput(picture));
      for (const key of Object.keys(parts)) {
        const value = Array.isArray(answer[key]) ? answer[key][0] : answer[key];
        parts[key].push(value.reshape([1, -1]));
      }
    }
    return { boxes: tf.concat(parts.boxes, 0), scores: tf.concat(parts.scores, 0) };
  }),
  faceres: await graph('faceres', (tf, x) => tf.sub(x, [103.939, 116.779, 123.68]),
    { descriptor: 'global_pooling/Mean', gender: 'gender_pred/Sigmoid', age: 'age_pred/Softmax' }),
  facemesh: await graph('facemesh', (tf, x) => tf.div(x, 255),
    { mesh: 'Identity_2', presence: 'Identity_1', contours: 'Identity' }),
  emotion: await graph('emotion', (tf, x) => tf.mul(tf.sub(tf.div(x, 255), 0.5), 2), { probabilities: 'Identity' }),
};
log(JSON.stringify({ packages: { 'face-api': '1.7.15', human: '3.3.6' }, networks: recorded },
  (_, value) => (typeof value === 'number' ? Number(value.toPrecision(8)) : value)));
