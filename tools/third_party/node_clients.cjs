// Lets clients from npm, unmodified but for the address that they connect to, ask a fake server for what they can.
//
// `node node_clients.cjs WS_URL FOLDER`, the folder being the one with their node_modules, prints a JSON line for each check.
'use strict';

const Module = require('node:module');
const path = require('node:path');

const SYMBOL = 'BINANCE:BTCUSDT';
const UNKNOWN = 'XXXX:NOPE';
const WAIT = 20_000;

const [address, folder] = process.argv.slice(2);
const requireThere = Module.createRequire(path.join(path.resolve(folder), 'package.json'));

// Every package loads its own copy of `ws`; each gets one that goes to the fake server.
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

function expect(truth, problem) {
  if (!truth) throw new Error(problem);
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${WAIT / 1000} s`)), WAIT);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function until(holds, what) {
  const deadline = Date.now() + WAIT;
  for (;;) {
    const found = holds();
    if (found) return found;
    expect(Date.now() < deadline, `no ${what} within ${WAIT / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const checks = [];

// --- @mathieuc/tradingview: ws 7 --------------------------------------------------------------------------------------

const LARGE = '@mathieuc/tradingview';

async function withClient(ask) {
  const { Client } = requireThere(LARGE);
  const client = new Client();
  const errors = [];
  client.onError((...words) => errors.push(words.join(' ')));
  try {
    const detail = await ask(client, errors);
    expect(errors.length === 0, `errors: ${errors}`);
    return detail;
  } finally {
    await client.end();
  }
}

function chartOf(client, errors, symbol, options = {}) {
  const chart = new client.Session.Chart();
  chart.onError((...words) => errors.push(words.join(' ')));
  chart.setMarket(symbol, { timeframe: '1', range: 50, ...options });
  return chart;
}

checks.push([LARGE, 'history and live bars', () => withClient(async (client, errors) => {
  const chart = chartOf(client, errors, SYMBOL);
  let updates = 0;
  chart.onUpdate(() => { updates += 1; });
  await until(() => (chart.periods.length >= 50 && updates >= 5) || errors.length, 'updates');
  return `${chart.periods.length} bars, ${chart.infos.description}`;
})]);

checks.push([LARGE, 'extra history', () => withClient(async (client, errors) => {
  const chart = chartOf(client, errors, SYMBOL);
  await until(() => chart.periods.length >= 50 || errors.length, 'history');
  chart.fetchMore(70);
  await until(() => chart.periods.length >= 120 || errors.length, 'older bars');
  return `${chart.periods.length} bars`;
})]);

checks.push([LARGE, 'history up to a moment', () => withClient(async (client, errors) => {
  const to = Math.floor(Date.now() / 1000) - 86_400;
  const chart = chartOf(client, errors, SYMBOL, { timeframe: '60', range: 30, to });
  await until(() => chart.periods.length >= 30 || errors.length, 'history');
  expect(chart.periods[0].time <= to, `bars up to ${to} expected, got ${chart.periods[0]?.time}`);
  return `${chart.periods.length} bars`;
})]);

checks.push([LARGE, 'another symbol and interval', () => withClient(async (client, errors) => {
  const chart = chartOf(client, errors, SYMBOL);
  await until(() => chart.periods.length >= 50 || errors.length, 'history');
  let loaded = false;
  chart.onSymbolLoaded(() => { loaded = chart.infos.full_name.endsWith('ETHUSDT'); });
  chart.setMarket('BINANCE:ETHUSDT', { timeframe: '60', range: 50 });
  await until(() => (loaded && chart.periods.length >= 50) || errors.length, 'the other symbol');
  const gap = chart.periods[10].time - chart.periods[11].time;
  expect(gap === 3600, `bars an hour apart expected, got ${gap}`);
  return `${chart.periods.length} bars`;
})]);

checks.push([LARGE, 'timezone', () => withClient(async (client, errors) => {
  const chart = chartOf(client, errors, SYMBOL);
  chart.setTimezone('Europe/Paris');
  await until(() => chart.periods.length > 0 || errors.length, 'history');
  expect(errors.length === 0, `errors: ${errors}`);
  chart.setTimezone('Nowhere/Nowhere');
  await until(() => errors.length, 'an error for a timezone that does not exist');
  return errors.splice(0).join('; ');
})]);

checks.push([LARGE, 'unknown symbol', () => withClient(async (client, errors) => {
  chartOf(client, errors, UNKNOWN);
  await until(() => errors.length >= 2, 'errors');
  return errors.splice(0).join('; ');
})]);

checks.push([LARGE, 'interval that is none', () => withClient(async (client, errors) => {
  chartOf(client, errors, SYMBOL, { timeframe: 'XX' });
  await until(() => errors.length, 'an error');
  return errors.splice(0).join('; ');
})]);

checks.push([LARGE, 'quotes', () => withClient(async (client, errors) => {
  const market = new (new client.Session.Quote()).Market(SYMBOL);
  market.onError((...words) => errors.push(words.join(' ')));
  let fields = {};
  let loaded = false;
  market.onData((data) => { fields = data; });
  market.onLoaded(() => { loaded = true; });
  await until(() => (loaded && fields.lp) || errors.length, 'price');
  return `${Object.keys(fields).length} fields`;
})]);

checks.push([LARGE, 'unknown quote', () => withClient(async (client, errors) => {
  const market = new (new client.Session.Quote()).Market(UNKNOWN);
  market.onError((...words) => errors.push(String(words[0])));
  await until(() => errors.length, 'an error');
  return errors.splice(0).join('; ');
})]);

checks.push([LARGE, 'Heikin Ashi', () => withClient(async (client, errors) => {
  const chart = chartOf(client, errors, SYMBOL, { timeframe: '60', type: 'HeikinAshi' });
  await until(() => chart.periods.length >= 50 || errors.length, 'history');
  const [, bar, before] = chart.periods;
  const mid = (before.open + before.close) / 2;
  expect(Math.abs(bar.open - mid) <= 0.02, `an open of ${mid} expected, got ${bar.open}`);
  return `${chart.periods.length} bars`;
})]);

checks.push([LARGE, 'study', () => withClient(async (client, errors) => {
  const { BuiltInIndicator } = requireThere(LARGE);
  const chart = chartOf(client, errors, SYMBOL);
  const study = new chart.Study(new BuiltInIndicator('Volume@tv-basicstudies-241'));
  study.onError((...words) => errors.push(words.join(' ')));
  await until(() => study.periods.length >= 50 || errors.length, 'values of the study');
  return `${study.periods.length} values`;
})]);

checks.push([LARGE, 'bar replay', () => withClient(async (client, errors) => {
  const start = Math.floor(Date.now() / 1000) - 86_400;
  const chart = chartOf(client, errors, SYMBOL, { replay: start });
  let points = 0;
  let loaded = false;
  chart.onReplayLoaded(() => { loaded = true; });
  chart.onReplayPoint(() => { points += 1; });
  await until(() => (loaded && chart.periods.length >= 50) || errors.length, 'history up to the point');
  expect(errors.length === 0, `errors: ${errors}`);
  expect(chart.periods[0].time <= start, `bars up to ${start} expected, got ${chart.periods[0].time}`);
  await within(chart.replayStep(3), 'replay_ok of a step');
  await until(() => chart.periods.length >= 53 || errors.length, 'bars of three steps');
  await within(chart.replayStart(50), 'replay_ok of the start');
  await until(() => chart.periods.length >= 56 || errors.length, 'bars by themselves');
  await within(chart.replayStop(), 'replay_ok of the stop');
  return `${chart.periods.length} bars, ${points} points`;
})]);

// --- tradingview-ws: ws 8, walks back page by page --------------------------------------------------------------------

async function candles(symbols, amount) {
  const { connect, getCandles } = requireThere('tradingview-ws');
  const connection = await connect();
  const found = await getCandles({ connection, symbols, amount, timeframe: 60 });
  await connection.close();
  return found;
}

checks.push(['tradingview-ws', 'history', async () => {
  const [found] = await candles([SYMBOL], 300);
  expect(found.length === 300, `300 bars expected, got ${found.length}`);
  return `${found.length} bars`;
}]);

checks.push(['tradingview-ws', 'extra history', async () => {
  const [found] = await candles([SYMBOL], 12_000);
  expect(found.length === 12_000, `12000 bars expected, got ${found.length}`);
  const apart = new Set(found.slice(1).map((bar, place) => bar.timestamp - found[place].timestamp));
  expect(apart.size === 1 && apart.has(3600), `bars an hour apart expected, got ${[...apart]}`);
  return `${found.length} bars`;
}]);

checks.push(['tradingview-ws', 'unknown symbol', async () => {
  const [found] = await candles([UNKNOWN], 10);
  expect(found.length === 0, `no bars expected, got ${found.length}`);
  return 'no bars';
}]);

// --- tradingview-scraper: ws 8, quotes only ---------------------------------------------------------------------------

checks.push(['tradingview-scraper (npm)', 'quotes', async () => {
  const { TradingViewAPI } = requireThere('tradingview-scraper');
  const api = new TradingViewAPI();
  await api.setup();
  try {
    const ticker = await api.getTicker(SYMBOL);
    let updates = 0;
    ticker.on('update', () => { updates += 1; });
    await until(() => updates >= 3, 'updates');
    return `${ticker.tickerData.pro_name} at ${ticker.tickerData.lp}`;
  } finally {
    await api.cleanup();
  }
}]);

checks.push(['tradingview-scraper (npm)', 'unknown symbol', async () => {
  const { TradingViewAPI } = requireThere('tradingview-scraper');
  const api = new TradingViewAPI();
  await api.setup();
  try {
    await api.getTicker(UNKNOWN);
  } catch (error) {
    return String(error);
  } finally {
    await api.cleanup();
  }
  throw new Error('an error expected');
}]);

// --- all of them ------------------------------------------------------------------------------------------------------

let unhandled = '';
process.on('uncaughtException', (error) => { unhandled = String(error?.stack ?? error).split('\n').slice(0, 2).join(' '); });

(async () => {
  for (const [client, what, ask] of checks) {
    const begun = Date.now();
    let works = true;
    let detail;
    unhandled = '';
    try {
      detail = await within(ask(), 'answer');
    } catch (error) {
      works = false;
      detail = `${error?.message ?? error}${unhandled && `; ${unhandled}`}`;
    }
    const seconds = Math.round((Date.now() - begun) / 100) / 10;
    process.stdout.write(`${JSON.stringify({ client, what, works, detail: String(detail).slice(0, 160), seconds })}\n`);
  }
  process.exit(0);
})();
