// Read the messages of a directory with mailparser, nodemailer's own: node read_with_mailparser.js DIRECTORY
// Prints {"file": {from, to, cc, reply_to, subject, text, html, references, headers, attachments}, …}.
"use strict";
const { createHash } = require("node:crypto");
const { readFileSync, readdirSync } = require("node:fs");
const { join } = require("node:path");
const { domainToASCII } = require("node:url");
const { simpleParser } = require("mailparser");

const OPTIONS = { skipImageLinks: true, skipHtmlToText: true, skipTextToHtml: true, skipTextLinks: true };

function people(field) {
  return (field ? field.value : []).filter((one) => one.address).map(({ name, address }) => {
    const at = address.lastIndexOf("@");
    return [name, address.slice(0, at + 1) + domainToASCII(address.slice(at + 1))];
  });
}

// Unfolded, by lower-case name, as they stand there.
function headers(mail) {
  return Object.fromEntries(
    mail.headerLines.map(({ key, line }) => [key, line.slice(line.indexOf(":") + 1).replace(/\r?\n(?=[\t ])/g, "").trim()]),
  );
}

function attachment(file) {
  return {
    filename: file.filename,
    content_type: file.contentType,
    disposition: file.contentDisposition,
    content_id: file.cid || null,
    sha256: createHash("sha256").update(file.content).digest("hex"),
  };
}

async function main(directory) {
  const read = {};
  for (const name of readdirSync(directory).filter((file) => file.endsWith(".eml"))) {
    const mail = await simpleParser(readFileSync(join(directory, name)), OPTIONS);
    read[name] = {
      from: people(mail.from),
      to: people(mail.to),
      cc: people(mail.cc),
      reply_to: people(mail.replyTo),
      subject: mail.subject || "",
      text: mail.text === undefined ? null : mail.text,
      html: mail.html || null,
      references: [].concat(mail.references || []),
      headers: headers(mail),
      attachments: mail.attachments.map(attachment),
    };
  }
  console.log(JSON.stringify(read));
}

main(process.argv[2]);
