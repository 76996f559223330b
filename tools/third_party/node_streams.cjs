// Lets a streaming client from npm, unmodified but for its address, print bars as the conformance kit reads them.
//
// `node node_streams.cjs FOLDER URL SYMBOL INTERVAL BARS`, the folder being the one with its node_modules.
'use strict';

const Module = require('node:module');
const path = require('node:path');

const [folder, address, symbol, timeframe, range] = process.argv.slice(2);
const requireThere = Module.createRequire(path.join(path.resolve(folder), 'package.json'));

const load = Module._load;
Module._load = function (name, ...rest) {
  const loaded = load.call(this, name, ...rest);
  if (name !== 'ws') return loaded;
  return class extends loaded {
    constructor(url, ...options) {
      const { search } = new URL(url);
      super(address + search, ...options);
    }
  };
};

const { Client } = requireThere('@mathieuc/tradingview');
const client = new Client();
client.onError((...words) => console.error('error:', ...words));
client.onDisconnected(() => console.error('disconnected'));

process.on('SIGTERM', async () => {
  await client.end();
  process.exit(0);
});

// It says that something changed, not what: as its users do, this prints what is another than before.
const told = new Map();
const chart = new client.Session.Chart();
chart.onError((...words) => console.error('error:', ...words));
chart.onUpdate(() => {
  for (const bar of [...chart.periods].sort((one, other) => one.time - other.time)) {
    const { time, open, max: high, min: low, close, volume } = bar;
    const line = JSON.stringify({ type: 'bar', time, open, high, low, close, volume });
    if (told.get(time) !== line) {
      told.set(time, line);
      process.stdout.write(`${line}\n`);
    }
  }
});
chart.setMarket(symbol, { timeframe, range: Number(range) });
