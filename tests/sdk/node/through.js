// One Node SDK through an outage: tracks `count` events at once and says what became of them.
// Standard input: {"sdk": "rudder" | "redis" | "segment", "url", "writeKey", "count", "redis": {host, port}}.
// Standard output: "refused" when a first try has failed, at the end {"delivered": n, "lost": n}.
"use strict";

let refused = false;
function tellRefused() {
  if (!refused) console.log("refused");
  refused = true;
}

function rudder(plan) {
  const Analytics = require("@rudderstack/rudder-sdk-node");
  return new Analytics(plan.writeKey, {
    dataPlaneUrl: plan.url,
    logLevel: "none",
    flushInterval: 300,
    errorHandler: () => {}, // without one, the first event given up ends the process
    axiosRetryConfig: { onRetry: tellRefused },
  });
}

function redis(plan) {
  const client = rudder(plan);
  return new Promise((resolve, reject) => client.createPersistenceQueue(
    { redisOpts: plan.redis, prefix: plan.writeKey }, (error) => (error ? reject(error) : resolve(client))));
}

function segment(plan) {
  const { Analytics } = require("@segment/analytics-node");
  const client = new Analytics({ writeKey: plan.writeKey, host: plan.url, flushInterval: 200 });
  client.on("http_response", ({ status }) => status === 200 || tellRefused());
  client.on("error", tellRefused);
  return client;
}

async function main() {
  const plan = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const client = await { rudder, redis, segment }[plan.sdk](plan);
  const outcomes = [];
  for (let number = 0; number < plan.count; number++) {
    const message = { userId: plan.sdk, event: "n", messageId: `${plan.sdk}-${number}` };
    outcomes.push(new Promise((resolve) => client.track(message, (error) => resolve(!error))));
  }
  const delivered = (await Promise.all(outcomes)).filter(Boolean).length;
  console.log(JSON.stringify({ delivered, lost: plan.count - delivered }));
  process.exit(0);
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
