// Receivers of webhooks as people have them, each verifying in its own way: exits 1 where one does not believe.
// Input: {"body", "secret", "timestamped", "hex"}: the octets as text, and the values of the fields.
const crypto = require("node:crypto");
const { body, secret, timestamped, hex } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));

function firstOfTwo(rawBody, signature, secret) {
  const [tPart, vPart] = signature.split(",");
  const t = tPart.split("=")[1];
  const v = vPart.split("=")[1];
  if (Math.abs(Date.now() / 1000 - Number(t)) > 300) throw new Error("stale");
  const expected = crypto.createHmac("sha256", secret).update(`${t}.${rawBody}`).digest("hex");
  return crypto.timingSafeEqual(Buffer.from(v, "hex"), Buffer.from(expected, "hex"));
}

function byName(rawBody, header, secret) {
  const parts = Object.fromEntries(header.split(",").map((p) => p.split("=")));
  const t = parseInt(parts.t, 10);
  if (Math.abs(Date.now() / 1000 - t) > 300) return false;
  const expected = crypto.createHmac("sha256", secret).update(`${t}.${rawBody}`).digest("hex");
  return crypto.timingSafeEqual(Buffer.from(parts.v1, "hex"), Buffer.from(expected, "hex"));
}

function ofTheBody(body, signature, secret) {
  const expected = crypto.createHmac("sha256", secret).update(body).digest("hex");
  return crypto.timingSafeEqual(Buffer.from(signature), Buffer.from(expected));
}

const believed = [
  firstOfTwo(body, timestamped, secret),
  byName(body, timestamped, secret),
  ofTheBody(body, hex, secret),
  // Frameworks hand on the parsed body, and receivers write it anew.
  ofTheBody(JSON.stringify(JSON.parse(body)), hex, secret),
];
console.log(JSON.stringify(believed));
process.exit(believed.every(Boolean) ? 0 : 1);
