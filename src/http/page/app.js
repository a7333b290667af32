// The page of one engine. Everything from outside goes through textContent; money is text and BigInt, never a float that is shown.
'use strict';

const $ = id => document.getElementById(id);
const STALE_MS = 4000;
let heardAt = 0, last = null, token = null;

function el(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}
function set(id, text, className) {
  const found = $(id);
  if (found.textContent !== text) found.textContent = text;
  if (className !== undefined) found.className = className;
}

// "-12.345678" as millionths.
function micros(text) {
  const [, sign, whole, rest] = /^(-?)(\d+)(?:\.(\d{1,6}))?$/.exec(text) || [];
  if (whole === undefined) return 0n;
  const value = BigInt(whole) * 1000000n + BigInt((rest || '').padEnd(6, '0'));
  return sign ? -value : value;
}
function money(text, signed) {
  if (text === null || text === undefined) return '–';
  const value = micros(text), size = value < 0n ? -value : value;
  const cents = (size + 5000n) / 10000n;
  const whole = (cents / 100n).toString().replace(/\B(?=(\d{3})+$)/g, ',');
  const sign = value < 0n && cents > 0n ? '−' : signed && cents > 0n ? '+' : '';
  return `${sign}$${whole}.${(cents % 100n).toString().padStart(2, '0')}`;
}
function share(part, whole) {
  const of = micros(whole || '0');
  return of <= 0n ? 0 : Math.min(1, Math.max(0, Number(micros(part) * 1000n / of) / 1000));
}
function tone(text) { const value = micros(text); return value > 0n ? 'good' : value < 0n ? 'bad' : ''; }
function bar(node, fraction) {
  node.style.width = `${Math.round(fraction * 100)}%`;
  node.className = fraction >= 0.95 ? 'bad' : fraction >= 0.8 ? 'warn' : '';
}
function clock(iso) { return new Date(iso).toLocaleTimeString([], { hour12: false }); }
function took(us) { return us < 10000 ? `${(us / 1000).toFixed(1)} ms` : us < 10000000 ? `${Math.round(us / 1000)} ms` : age(us / 1000); }
function age(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  return s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
}
function short(id) { return id && id.length > 30 ? `${id.slice(0, 12)}…${id.slice(-8)}` : id; }

// A list that stays the same is left alone: nobody's finger finds a row replaced.
const drawn = new Map();
function same(id, value) {
  const text = JSON.stringify(value);
  if (drawn.get(id) === text) return true;
  drawn.set(id, text);
  return false;
}

// Rows of cells; a cell is text, or [text, class], or [text, class, title].
function table(id, heads, rows, none) {
  const made = [];
  if (rows.length) {
    const head = el('tr');
    heads.forEach(([text, className]) => head.append(el('th', text, className)));
    made.push(head);
  }
  for (const row of rows) {
    const line = el('tr');
    for (const cell of row) {
      if (cell instanceof Node) { line.append(cell); continue; }
      const [text, className, title] = Array.isArray(cell) ? cell : [cell];
      const td = el('td', text, className);
      if (title) td.title = title;
      line.append(td);
    }
    made.push(line);
  }
  if (!rows.length) { const line = el('tr'); line.append(el('td', none, 'none')); made.push(line); }
  $(id).replaceChildren(...made);
}

function meterRow(name, worst, limit) {
  const row = el('div', null, 'group'), meter = el('div', null, 'meter'), fill = el('i');
  const label = el('span', name, 'name');
  label.title = name;
  bar(fill, share(worst, limit));
  meter.append(fill);
  row.append(label, meter, el('span', `${money(worst)} of ${money(limit)}`));
  return row;
}

const MEANS = {
  paper: 'no real money: orders fill on the paper exchange', 'dry-run': 'the real account is read and orders are signed, nothing is sent',
  demo: "the venue's play money", live: 'REAL MONEY',
};
function header(s) {
  document.body.className = s.mode;
  document.title = `${s.mode.toUpperCase()} · Arbees ${s.instance}`;
  set('mode', s.mode.toUpperCase());
  set('means', MEANS[s.mode] || '');
  set('instance', `${s.instance} · v${s.version} · record ${s.seq}`);
  set('ready', s.ready ? 'trading' : 'not trading', s.ready ? 'pill' : 'pill off');
  $('ready').title = s.reasons.join('\n');
}

function notices(s) {
  if (same('notices', [s.halted, s.kill, s.breakers, s.unknown_orders, s.venues, s.reasons])) return;
  const made = [];
  const add = (text, bad, action) => {
    const item = el('li', null, bad ? 'bad' : '');
    item.append(el('span', text));
    if (action) item.append(action);
    made.push(item);
  };
  if (s.halted) add(`Halted: ${s.halted}. Nothing is sent any more; restart the engine once the cause is gone.`, true);
  if (s.kill.on) add(`The kill is on${s.kill.by ? `, by ${s.kill.by}: ${s.kill.reason}` : ''}. Nothing opens; closes still flow.`, true);
  for (const b of s.breakers) {
    const reset = el('button', 'Close this breaker…', 'small');
    reset.onclick = () => ask(`Close the breaker ${b.scope}?`, 'Opens in its scope are allowed again. Look first why it opened.', 'Close it', '/api/breaker/reset', { scope: b.scope });
    add(`Breaker ${b.scope} is ${b.state}: ${b.reason.replaceAll('_', ' ')}, ${b.observed} against ${b.limit}, since ${clock(b.since)}`, true, reset);
  }
  for (const u of s.unknown_orders) add(`Order ${u.order_id.slice(0, 8)} on ${short(u.market)}: fate unknown for ${age(u.age_ms)}; ${money(u.reserved)} held back until the venue proves it.`, true);
  for (const v of s.venues) for (const d of v.diverged) add(`${v.venue}: ${d.what}: the log says ${d.ours}, the venue ${d.theirs}`, true);
  if (!s.ready && !s.halted && !s.kill.on) s.reasons.filter(reason => !reason.includes('breaker')).forEach(reason => add(`Not trading: ${reason}`, false));
  $('notices').replaceChildren(...made);
}

function risk(d) {
  const day = d.pnl.day, pnl = day ? day.pnl : '0';
  set('day-pnl', money(pnl, true), `big ${tone(pnl)}`);
  const loss = micros(pnl) < 0n ? pnl.slice(1) : '0';
  bar($('day-bar'), day && day.limit ? share(loss, day.limit) : 0);
  set('day-sub', day ? `stops opening at −${money(day.limit).replace('−', '')} · realised ${money(day.realized, true)} · fees ${money(day.fees)}` : 'no trading day yet');
  const total = d.exposure.total;
  set('exp-total', money(total.worst));
  bar($('exp-bar'), share(total.worst, total.limit));
  set('exp-sub', `worst case, limit ${money(total.limit)} · ${d.exposure.orders_in_flight} orders in flight take ${money(d.exposure.in_flight)}`);
  set('equity', money(d.pnl.equity));
  set('equity-sub', `cash ${money(d.pnl.free_cash)} free · held ${money(d.pnl.marked_value)}${d.pnl.unmarked.length ? ` · ${d.pnl.unmarked.length} without a price` : ''}`);
  curve(d.today.equity, day ? day.opening_equity : null);
  const groups = [...d.exposure.venues.map(g => [g.name, g]), ...[...d.exposure.games].sort((a, b) => Number(micros(b.worst) - micros(a.worst))).slice(0, 8).map(g => [g.name, g])];
  $('groups').replaceChildren(...(groups.length ? groups.map(([name, g]) => meterRow(name, g.worst, g.limit)) : [el('p', 'Nothing is at risk.', 'none')]));
}

function curve(points, opening) {
  const svg = $('curve'), NS = 'http://www.w3.org/2000/svg';
  if (points.length < 2) { svg.replaceChildren(); return; }
  const values = points.map(([, v]) => Number(micros(v))), base = opening === null ? values[0] : Number(micros(opening));
  const low = Math.min(base, ...values), high = Math.max(base, ...values), span = Math.max(high - low, 1);
  const from = points[0][0], width = Math.max(points[points.length - 1][0] - from, 1);
  const y = v => 60 - (v - low) / span * 56;
  const path = document.createElementNS(NS, 'path'), line = document.createElementNS(NS, 'line');
  path.setAttribute('d', points.map(([t], i) => `${i ? 'L' : 'M'}${((t - from) / width * 300).toFixed(1)} ${y(values[i]).toFixed(1)}`).join(''));
  for (const [name, value] of [['x1', 0], ['x2', 300], ['y1', y(base)], ['y2', y(base)]]) line.setAttribute(name, value);
  svg.replaceChildren(line, path);
}

function funnel(t) {
  if (same('funnel', [t.received, t.rejected, t.vetoed, t.approved, t.acked, t.filled, t.vetoes])) return;
  const steps = [['received', t.received], ['rejected', t.rejected, 'away'], ['vetoed', t.vetoed, 'away'], ['approved', t.approved], ['at the venue', t.acked], ['filled', t.filled]];
  $('funnel').replaceChildren(...steps.map(([name, count, className]) => {
    const step = el('li', null, className);
    step.append(el('b', String(count)), el('span', name));
    return step;
  }));
  const most = Math.max(1, ...t.vetoes.map(v => v.count));
  $('vetoes').replaceChildren(...t.vetoes.slice(0, 8).map(v => {
    const row = el('button', null, 'veto'), meter = el('span', null, 'meter'), fill = el('i', null, 'warn');
    fill.style.width = `${Math.round(v.count / most * 100)}%`;
    meter.append(fill);
    row.append(el('span', v.reason.replaceAll('_', ' ')), meter, el('span', String(v.count), 'n'));
    row.title = `why: ${v.example}`;
    row.onclick = () => explain(v.example);
    return row;
  }));
  $('empty').hidden = t.received > 0;
}

function positions(d) {
  if (same('positions', d.positions)) return;
  table('positions', [['market'], ['outcome'], ['contracts', 'n'], ['paid', 'n'], ['now', 'n'], ['value', 'n'], ['open result', 'n'], ['realised', 'n'], ['fees', 'n']],
    d.positions.map(p => [[`${p.venue} ${short(p.market)}`, 'id', p.token_id || p.market], p.outcome.toUpperCase(), [p.quantity, 'n'], [p.average_price, 'n'],
      [p.mark === null ? 'no price' : p.mark, `n ${p.mark === null ? 'warn' : ''}`], [money(p.value), 'n'], [money(p.unrealized_pnl, true), `n ${tone(p.unrealized_pnl)}`],
      [money(p.realized_pnl, true), `n ${tone(p.realized_pnl)}`], [money(p.fees), 'n']]), 'Nothing is held.');
}

function orders(d) {
  const now = Date.parse(d.at);
  if (same('orders', d.orders.length ? [d.orders, Math.floor(now / 1000)] : [])) return;
  table('orders', [['order'], ['what'], ['limit', 'n'], ['filled', 'n'], ['state'], ['age', 'n'], ['ends in', 'n'], ['held back', 'n']],
    d.orders.map(o => {
      const why = el('button', o.order_id.slice(0, 8), 'small'), cell = el('td');
      why.onclick = () => explain(o.order_id);
      cell.append(why);
      return [cell, [`${o.action} ${o.outcome.toUpperCase()} ${o.venue} ${short(o.market)}`, 'id', o.market], [o.limit, 'n'], [`${o.filled} of ${o.quantity}`, 'n'],
        [o.state, o.state === 'unknown' ? 'bad' : ''], [age(now - Date.parse(o.requested_at)), 'n'], [age(Date.parse(o.expires_at) - now), 'n'], [money(o.reserved), 'n']];
    }), 'No order is working.');
}

function side(d) {
  table('took', [['stage'], ['half within', 'n'], ['95 % within', 'n'], ['of the last', 'n']],
    d.today.took.map(t => [t.stage, [took(t.p50_us), 'n'], [took(t.p95_us), 'n'], [String(t.count), 'n']]), 'Nothing was timed yet.');
  const rows = [
    ['NATS', [d.bus.connected ? 'connected' : 'gone', d.bus.connected ? 'good' : 'bad'], d.bus.behind ? `${d.bus.behind} signals wait` : ''],
    ['risk consumer', [d.risk_silent_ms < 2000 ? 'heard' : 'silent', d.risk_silent_ms < 2000 ? 'good' : 'bad'], d.risk_silent_ms < 2000 ? '' : `for ${age(d.risk_silent_ms)}`],
    ...d.status.venues.map(v => [v.venue, [v.mode, v.mode === 'open' ? 'good' : 'warn'], v.why]),
  ];
  table('links', [['to'], ['state'], ['']], rows, '');
}

function events(list) {
  if (same('events', list.map(e => e.seq))) return;
  $('events').replaceChildren(...list.slice().reverse().map(e => {
    const item = el('li'), row = el('button');
    const text = e.text.replace(/^\S+ #\d+ (\[[A-Z-]+\] \w+ )?\w+ ?/, '');
    row.append(el('time', clock(e.at)), el('b', e.event), el('span', text));
    const id = e.order_id || (e.data && e.data.signal_id);
    if (id) row.onclick = () => explain(id); else row.disabled = true;
    item.append(row);
    return item;
  }));
}

function show(d) {
  last = d;
  header(d.status);
  notices(d.status);
  risk(d);
  funnel(d.today);
  positions(d);
  orders(d);
  side(d);
  events(d.events);
  set('kill', d.status.kill.on ? 'Clear the kill…' : 'Kill: no more opens');
  $('kill').className = d.status.kill.on ? '' : 'danger';
}

async function explain(id) {
  const answer = await fetch(`/api/explain?id=${encodeURIComponent(id)}`).then(r => r.json()).catch(error => ({ error: String(error) }));
  set('story-title', answer.story ? `${answer.signal_id || id}: ${answer.answer || 'no answer yet'}` : `${id}: ${answer.error}`);
  const checks = (answer.requests || []).flatMap(r => r.checks || []).filter(c => !c.passed);
  $('story-failed').replaceChildren(...checks.map(c => el('li', `${c.check.replaceAll('_', ' ')}: ${c.observed}; allowed is ${c.limit}`)));
  $('story-lines').replaceChildren(...(answer.story || []).map(line => el('li', line)));
  if (!$('story').open) $('story').showModal();
}

let asked = null;
function ask(title, text, verb, path, body) {
  asked = { path, body };
  // A cancel has no place for a reason in its record.
  $('ask-why').hidden = path === '/api/cancel-all';
  $('ask-reason').required = !$('ask-why').hidden;
  set('ask-title', title); set('ask-text', text); set('ask-do', verb); set('ask-error', '');
  $('ask-reason').value = '';
  $('ask-token').value = token || '';
  $('ask').showModal();
}
$('ask-cancel').onclick = () => $('ask').close();
$('ask-form').onsubmit = async event => {
  event.preventDefault();
  set('ask-error', '');
  const shown = $('ask-token').value.trim();
  const answer = await fetch(asked.path, {
    method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${shown}` },
    body: JSON.stringify({ ...asked.body, ...($('ask-why').hidden ? {} : { reason: $('ask-reason').value }), by: 'page' }),
  }).then(async r => ({ ok: r.ok, body: await r.json() })).catch(error => ({ ok: false, body: { error: String(error) } }));
  if (!answer.ok) { set('ask-error', answer.body.error); return; }
  token = shown;
  $('ask').close();
};
$('kill').onclick = () => last && last.status.kill.on
  ? ask('Clear the kill?', 'Opens are allowed again.', 'Clear it', '/api/kill', { on: false })
  : ask('Kill?', 'No more opens; resting opens are cancelled; closes still flow. Only a person clears it.', 'Kill', '/api/kill', { on: true });
$('cancel-all').onclick = () => ask('Cancel all resting orders?', 'Every order of ours that rests at a venue is cancelled. New ones may come.', 'Cancel all', '/api/cancel-all', {});

$('example').textContent = `nats pub signals.kalshi '{"signal_id":"s-1","market_id":"KXNBAGAME-26JAN27PORWAS-POR","side":"yes","limit_price":0.52,
  "model_prob":0.71,"yes_bid":0.50,"yes_ask":0.52,"size":10}'`;

function judge() {
  const silent = Date.now() - heardAt, stale = silent > STALE_MS;
  document.body.classList.toggle('stale', stale);
  $('stale').hidden = !stale;
  if (stale) set('stale', heardAt ? `No word from the engine for ${age(silent)}: what you see is old.` : 'No word from the engine yet.');
  set('link', stale ? 'stale' : 'live', stale ? 'pill off' : 'pill');
}
function listen() {
  const source = new EventSource('/api/live');
  source.onmessage = event => { heardAt = Date.now(); show(JSON.parse(event.data)); judge(); };
  // After a refusal (too many pages, a restart) the browser gives up; we don't.
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000); };
}
listen();
setInterval(judge, 500);
