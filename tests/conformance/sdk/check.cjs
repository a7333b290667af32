// Kalshi's official TypeScript SDK against `arbees exchange kalshi`: node check.cjs ARBEES SDK_FOLDER.
// One line for each step; exit code 1 if one of them is not as it should be. `./run conformance` calls it.
"use strict";

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");

const [arbees, sdkFolder] = process.argv.slice(2);
if (!arbees || !sdkFolder) {
  console.error("usage: node check.cjs ARBEES SDK_FOLDER");
  process.exit(2);
}
const sdk = require(path.resolve(sdkFolder, "node_modules/kalshi-typescript"));
const { version } = require(path.resolve(sdkFolder, "node_modules/kalshi-typescript/package.json"));

const TICKER = "KXSDK-26NOV22-A";
const KEY_ID = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c";
const KEYS = path.join(__dirname, "../vectors/kalshi/test_keys");
const CLIENT_ID = "7f6c1d0e-33a5-4c1e-9a44-0c5f0d6d0a01";
/** Longer than anything on loopback takes. */
const PATIENCE_MS = 10_000;

let differences = 0;

function same(found, wanted, at = "") {
  if (wanted === null || typeof wanted !== "object") {
    return found === wanted ? [] : [`${at || "it"} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`];
  }
  return Object.entries(wanted).flatMap(([name, value]) => same(found?.[name], value, at ? `${at}.${name}` : name));
}

/** One step: what the call gives must hold everything that is wanted. */
async function step(name, call, wanted) {
  let found;
  try {
    found = await call();
  } catch (error) {
    // The SDK throws on a status that says no; its words are part of the answer.
    found = error.response ? { status: error.response.status, data: error.response.data } : { error: String(error) };
  }
  const faults = same(found, wanted);
  differences += faults.length;
  console.log(`${faults.length ? "DIFFERS" : "ok     "}  ${name}${faults.length ? `: ${faults.join("; ")}` : ""}`);
  return found?.data ?? {};
}

async function exchange() {
  const ports = ["--port", "0", "--admin-port", "0"];
  const key = ["--key", `${KEY_ID}=${path.join(KEYS, "rsa2048_pub_spki.pem")}`];
  const child = spawn(arbees, ["exchange", "kalshi", ...ports, ...key, "--market", TICKER], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit").then(([code]) => Promise.reject(new Error(`the exchange ended by itself (${code})`)));
  // Its end is no surprise once it is asked for.
  ended.catch(() => {});
  const addresses = {};
  const lines = readline.createInterface({ input: child.stdout });
  const told = new Promise((resolve) => {
    lines.on("line", (line) => {
      const [name, url] = line.trim().split(/\s+/);
      addresses[name] = url;
      if (addresses.api && addresses.admin) resolve();
    });
  });
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("the exchange names no address")), PATIENCE_MS).unref());
  await Promise.race([told, ended, late]);
  return { child, addresses };
}

async function orders(venue, portfolio, admin) {
  const order = { ticker: TICKER, side: "bid", count: "10", price: "0.4", time_in_force: "good_till_canceled", self_trade_prevention_type: "taker_at_cross" };
  const resting = { ...order, client_order_id: CLIENT_ID, expiration_time: 4_000_000_000 };
  const made = await step("create: a resting bid", () => venue.createOrderV2(resting), {
    status: 201,
    data: { client_order_id: CLIENT_ID, fill_count: "0.00", remaining_count: "10.00" },
  });
  await step("create: the same client order id again", () => venue.createOrderV2(resting), { status: 409, data: { error: { code: "order_already_exists" } } });
  await step("read: the order", () => venue.getOrder(made.order_id), {
    status: 200,
    data: { order: { order_id: made.order_id, client_order_id: CLIENT_ID, status: "resting", book_side: "bid", yes_price_dollars: "0.4000", remaining_count_fp: "10.00" } },
  });
  const listed = { status: 200, data: { orders: { length: 1, 0: { order_id: made.order_id } } } };
  await step("list: resting orders of the market", () => venue.getOrders(TICKER, undefined, undefined, undefined, "resting"), listed);
  await step("decrease: to 4", () => venue.decreaseOrderV2(made.order_id, { reduce_to: "4" }), { status: 200, data: { remaining_count: "4.00" } });
  await step("cancel", () => venue.cancelOrderV2(made.order_id, undefined, undefined, TICKER), { status: 200, data: { order_id: made.order_id, reduced_by: "4.00" } });
  await step("cancel again", () => venue.cancelOrderV2(made.order_id), { status: 404 });
  await step("read: the cancelled order", () => venue.getOrder(made.order_id), { status: 200, data: { order: { status: "canceled", remaining_count_fp: "0.00" } } });
  const taker = { ...order, price: "0.55", count: "2", time_in_force: "immediate_or_cancel" };
  const taken = await step("create: an order that takes", () => venue.createOrderV2(taker), { status: 201, data: { fill_count: "2.00", remaining_count: "0.00", average_fill_price: "0.5200" } });
  await step("list: its fills", () => portfolio.getFills(TICKER, taken.order_id), {
    status: 200,
    data: { fills: { length: 1, 0: { order_id: taken.order_id, count_fp: "2.00", yes_price_dollars: "0.5200", is_taker: true } } },
  });
  await step("list: positions", () => portfolio.getPositions(), { status: 200, data: { market_positions: { length: 1, 0: { ticker: TICKER, position_fp: "2.00" } } } });
  await step("list: executed orders", () => venue.getOrders(undefined, undefined, undefined, undefined, "executed"), { status: 200, data: { orders: { length: 1 } } });
  const truth = async () => ({ status: 200, data: await (await fetch(`${admin}/orders`)).json() });
  await step("truth: the exchange's own books", truth, { data: { [CLIENT_ID]: { order_id: made.order_id, status: "canceled" } } });
}

async function main() {
  const { child, addresses } = await exchange();
  try {
    console.log(`kalshi-typescript ${version} at ${addresses.api}, a process of its own`);
    const privateKeyPem = fs.readFileSync(path.join(KEYS, "rsa2048_pkcs8.pem"), "utf8");
    const settings = new sdk.Configuration({ apiKey: KEY_ID, privateKeyPem, basePath: addresses.api, baseOptions: { timeout: PATIENCE_MS, proxy: false } });
    const [venue, portfolio, markets, hours] = [sdk.OrdersApi, sdk.PortfolioApi, sdk.MarketApi, sdk.ExchangeApi].map((api) => new api(settings));
    await step("read: exchange status", () => hours.getExchangeStatus(), { status: 200, data: { exchange_active: true, trading_active: true } });
    await step("read: the market", () => markets.getMarket(TICKER), { status: 200, data: { market: { ticker: TICKER, status: "active" } } });
    await step("read: its book", () => markets.getMarketOrderbook(TICKER), { status: 200, data: { orderbook_fp: {} } });
    await step("read: the balance", () => portfolio.getBalance(), { status: 200, data: { balance: 100_000, balance_dollars: "1000.0000" } });
    await orders(venue, portfolio, addresses.admin);
    await step("read: the balance after", () => portfolio.getBalance(), { status: 200, data: { balance: 99_892 } });
  } finally {
    child.kill("SIGTERM");
  }
  console.log(differences ? `${differences} differences` : "no difference");
  process.exitCode = differences ? 1 : 0;
}

main().catch((error) => {
  console.error(String(error));
  process.exitCode = 1;
});
