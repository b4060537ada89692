// Send one message with nodemailer: node send_with_nodemailer.js '{"transport": {…}, "ca": "FILE", "envelope": {…}, "raw": "FILE"}'
"use strict";
const { readFileSync } = require("node:fs");
const { createTransport } = require("nodemailer");

async function main(wanted) {
  const tls = { ca: readFileSync(wanted.ca) };
  const transport = createTransport({ ...wanted.transport, tls });
  const sent = await transport.sendMail({ envelope: wanted.envelope, raw: readFileSync(wanted.raw) });
  console.log(sent.response);
}

main(JSON.parse(process.argv[2])).catch((error) => {
  console.error(error);
  process.exit(1);
});
