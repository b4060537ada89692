// Judge the messages of a directory with mailauth: node auth_judge.js DIRECTORY
// zone.json holds {"name": {"TXT": ["v=spf1 …"], "A": [...], "MX": [[10, "host"]]}}, cases.json
// {"file": {"ip": …, "helo": …, "sender": …}}. Prints {"file": {"spf": "pass", "dkim": [true], …}}.
"use strict";
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
// The whole of mailauth needs a newer Node for BIMI; its parts do not.
const { dkimVerify } = require("mailauth/lib/dkim/verify");
const { spf } = require("mailauth/lib/spf");
const { arc } = require("mailauth/lib/arc");
const { evaluateDmarc } = require("mailauth/lib/dmarc");

const SHAPES = {
  TXT: (texts) => texts.map((text) => [text]),
  MX: (records) => records.map(([priority, exchange]) => ({ priority, exchange })),
};

function resolverOf(zone) {
  return async (name, type) => {
    const entry = zone[name.toLowerCase().replace(/\.$/, "")];
    const records = entry && entry[type];
    if (records) return (SHAPES[type] || ((same) => same))(records);
    throw Object.assign(new Error(`no ${type} of ${name}`), { code: entry ? "ENODATA" : "ENOTFOUND" });
  };
}

async function judge(message, envelope, resolver) {
  const byDkim = await dkimVerify(message, { resolver, sender: envelope.sender });
  const bySpf = await spf({ ...envelope, resolver, mta: "mx.ours.test" });
  const chain = await arc(byDkim.arc, { resolver });
  const passed = byDkim.results.filter((one) => one.status.result === "pass");
  const { response } = await evaluateDmarc({
    headerFrom: byDkim.headerFrom,
    fromFields: byDkim.fromFields,
    spfDomains: bySpf.status.result === "pass" ? [bySpf.domain] : [],
    dkimDomains: passed.map((one) => ({ id: one.id, domain: one.signingDomain })),
    resolver,
  });
  return {
    spf: bySpf.status.result,
    // Mail without a signature has one result, "none". Of the other words for no, each has its own taste.
    dkim: byDkim.results.filter((one) => one.status.result !== "none").map((one) => one.status.result === "pass"),
    dmarc: response ? response.status.result : "permerror",
    policy: (response && response.policy) || "",
    arc: chain ? chain.status.result : "none",
  };
}

async function main(directory) {
  const read = (name) => readFileSync(join(directory, name));
  const resolver = resolverOf(JSON.parse(read("zone.json")));
  const verdicts = {};
  for (const [file, envelope] of Object.entries(JSON.parse(read("cases.json")))) {
    verdicts[file] = await judge(read(file), envelope, resolver);
  }
  console.log(JSON.stringify(verdicts));
}

main(process.argv[2]);
