// Verify the messages of a directory with mailauth: node dkim_judge.js DIRECTORY
// keys.json holds {"selector._domainkey.domain": "v=DKIM1; …"}. Prints {"file": {"rsa-sha256": "pass", …}, …}.
"use strict";
const { readFileSync, readdirSync } = require("node:fs");
const { join } = require("node:path");
const { dkimVerify } = require("mailauth/lib/dkim/verify");

async function main(directory) {
  const records = JSON.parse(readFileSync(join(directory, "keys.json"), "utf8"));
  const resolver = async (name) => {
    if (name in records) return [[records[name]]];
    throw Object.assign(new Error(`no record ${name}`), { code: "ENOTFOUND" });
  };
  const verdicts = {};
  for (const file of readdirSync(directory).filter((name) => name.endsWith(".eml"))) {
    const { results } = await dkimVerify(readFileSync(join(directory, file)), { resolver });
    verdicts[file] = Object.fromEntries(results.map((one) => [one.algo, one.status.result]));
  }
  console.log(JSON.stringify(verdicts));
}

main(process.argv[2]);
