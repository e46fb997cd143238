// The AWS SDK for JavaScript v3, driven by one JSON command a line on stdin; answers one JSON line each.
import { createReadStream, createWriteStream, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import readline from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { NodeHttpHandler } from "@smithy/node-http-handler";

// Every name under localhost is this machine (RFC 6761), also where the resolver does not know it.
const lookup = (name, options, done) =>
  options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4);

function client(endpoint, forcePathStyle) {
  return new S3Client({
    endpoint, forcePathStyle, region: "us-east-1", maxAttempts: 1,
    credentials: { accessKeyId: process.env.ACCESS_KEY, secretAccessKey: process.env.SECRET_KEY },
    requestHandler: new NodeHttpHandler({ httpAgent: new http.Agent({ keepAlive: true, maxSockets: 8, lookup }) }),
  });
}

const port = new URL(process.env.ENDPOINT).port;
const byPath = client(process.env.ENDPOINT, true);
// bucket.localhost:PORT, which is what the SDK does by itself with an endpoint that has a name.
const byHost = client(`http://localhost:${port}`, false);

async function put(s3, bucket, key, Body, more = {}) {
  const answer = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body, ...more }));
  return { etag: answer.ETag, version: answer.VersionId };
}

async function get(s3, bucket, key, file) {
  const answer = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  mkdirSync(path.dirname(file), { recursive: true });
  await pipeline(answer.Body, createWriteStream(file));
}

async function keys(s3, bucket, prefix) {
  const found = [];
  let token;
  do {
    const page = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }));
    found.push(...(page.Contents ?? []).map((entry) => entry.Key));
    token = page.NextContinuationToken;
  } while (token);
  return found;
}

async function inParallel(items, limit, work) {
  const rest = [...items];
  await Promise.all(Array.from({ length: limit }, async () => {
    for (let item; (item = rest.shift()) !== undefined;) await work(item);
  }));
}

const commands = {
  async put({ bucket, key, path: file, partBytes }) {
    if (statSync(file).size <= partBytes) return put(byPath, bucket, key, readFileSync(file));
    const upload = new Upload({
      client: byPath, partSize: partBytes, queueSize: 4,
      params: { Bucket: bucket, Key: key, Body: createReadStream(file) },
    });
    return { etag: (await upload.done()).ETag };
  },
  get: ({ bucket, key, path: file }) => get(byPath, bucket, key, file),
  delete: async ({ bucket, key }) => {
    await byPath.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    return null;
  },
  keys: ({ bucket, prefix }) => keys(byPath, bucket, prefix),
  async putTree({ bucket, prefix, folder }) {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
    await inParallel(files, 8, (file) => put(byPath, bucket, prefix + path.relative(folder, file), readFileSync(file)));
    return files.length;
  },
  async getTree({ bucket, prefix, folder }) {
    const all = await keys(byPath, bucket, prefix);
    await inParallel(all, 8, (key) => get(byPath, bucket, key, path.join(folder, key.slice(prefix.length))));
    return all.length;
  },
  // text as a string, as a Buffer, or as a Readable of pieces of pieceBytes: that one goes as aws-chunked with a trailer.
  putText({ bucket, key, text, kind, pieceBytes, algorithm, host }) {
    const bytes = Buffer.from(text);
    const pieces = function* () {
      for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
    };
    const body = { string: () => text, buffer: () => bytes, stream: () => Readable.from(pieces()) }[kind]();
    const more = kind === "stream" ? { ContentLength: bytes.length } : {};
    if (algorithm) more.ChecksumAlgorithm = algorithm;
    return put(host ? byHost : byPath, bucket, key, body, more);
  },
  async getText({ bucket, key, host }) {
    const answer = await (host ? byHost : byPath).send(
      new GetObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: "ENABLED" }));
    return { text: await answer.Body.transformToString(), encoding: answer.ContentEncoding ?? null };
  },
  // A presigned URL: what a page or another program is given.
  presign({ method, bucket, key, expires, more }) {
    const Command = { GET: GetObjectCommand, PUT: PutObjectCommand, HEAD: HeadObjectCommand, DELETE: DeleteObjectCommand }[method];
    return getSignedUrl(byPath, new Command({ Bucket: bucket, Key: key, ...more }), { expiresIn: expires });
  },
  keysByHost: ({ bucket, prefix }) => keys(byHost, bucket, prefix),
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  let answer;
  try {
    answer = { result: (await commands[command](rest)) ?? null };
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
process.exit(0);
