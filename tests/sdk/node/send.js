// Sends calls through @rudderstack/rudder-sdk-node with its default options.
// Standard input: {"url", "writeKey", "rounds": [[[call, message], ...], ...]}. A round starts when the calls of the one
// before are answered, because this SDK sends its batches side by side and so keeps no order between them.
"use strict";
const Analytics = require("@rudderstack/rudder-sdk-node");

async function main() {
  const plan = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const client = new Analytics(plan.writeKey, { dataPlaneUrl: plan.url });
  let first = true;
  for (const round of plan.rounds) {
    const answered = [];
    for (const [call, message] of round) {
      answered.push(new Promise((resolve, reject) => client[call](message, (error) => (error ? reject(error) : resolve()))));
      if (first) await answered[0]; // it sends its very first event alone, at once
      first = false;
    }
    await client.flush();
    await Promise.all(answered);
  }
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
