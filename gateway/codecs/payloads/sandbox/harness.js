// Runs one codec for one message at a time and answers in JSON text. Evaluated before the codec, in
// a context of its own, with `__most_keys` and `__most_chars` set; what it needs of the language it
// takes here, so that nothing a codec does to the built-ins can reach it.
//
// The codec's text is wrapped in a function that runs anew for every message: its variables are
// new each time, as on a network server. What it leaves on the global object is swept away.
(function () {
  'use strict';
  const { parse, stringify } = JSON;
  const { keys, getOwnPropertyDescriptor, defineProperty, preventExtensions } = Object;
  const { ownKeys, deleteProperty, apply } = Reflect;
  const { isArray } = Array;
  const { isFinite } = Number;
  const getTime = Date.prototype.getTime;
  const hasOwn = Object.prototype.hasOwnProperty, join = Array.prototype.join;
  const [ADate, AString, AnError, ASet] = [Date, String, Error, Set];
  const setAdd = ASet.prototype.add, setHas = ASet.prototype.has, setDelete = ASet.prototype.delete;
  const mostKeys = globalThis.__most_keys, mostChars = globalThis.__most_chars;
  const MOST_DEPTH = 16, MOST_LINES = 20, MOST_LINE = 200;
  const FORBIDDEN = new ASet(['__proto__', 'constructor', 'prototype']);
  delete globalThis.__most_keys;
  delete globalThis.__most_chars;

  let lines = [], seen = 0;

  class Refusal {
    constructor(reason, detail) { this.reason = reason; this.detail = detail; }
  }

  // --- what a codec returns, looked over before it is believed --------------------------------

  // Whether a value is plain: the quick look that nearly every result passes.
  function is_plain(value, depth) {
    const names = keys(value);
    seen += names.length;
    if (depth > MOST_DEPTH || seen > mostKeys) return false;
    for (let index = 0; index < names.length; index++) {
      const name = names[index];
      if (name === '__proto__' || name === 'constructor' || name === 'prototype') return false;
      const own = getOwnPropertyDescriptor(value, name);
      if (own === undefined || own.get !== undefined || own.set !== undefined) return false;
      const inner = own.value;
      const type = typeof inner;
      if (type === 'number') {
        if (inner - inner !== 0) return false; // NaN or infinite
      } else if (type === 'object') {
        if (inner !== null && !is_plain(inner, depth + 1)) return false;
      } else if (type === 'bigint') return false;
    }
    return true;
  }

  // The slow look, with paths: says what is wrong, or which values become null.
  function inspect(value, path, depth, open, rejects) {
    if (typeof value === 'bigint') throw new Refusal('codec_result', `${path} is a BigInt, which JSON has not`);
    if (typeof value === 'number' && !isFinite(value)) rejects[rejects.length] = ['not_finite', path];
    if (typeof value !== 'object' || value === null) return;
    if (value instanceof ADate) {
      if (!isFinite(apply(getTime, value, []))) rejects[rejects.length] = ['not_finite', path];
      return;
    }
    if (apply(setHas, open, [value])) throw new Refusal('codec_result', `cyclic at ${path || 'its top'}`);
    if (depth > MOST_DEPTH) throw new Refusal('codec_result', `nested deeper than ${MOST_DEPTH} levels`);
    apply(setAdd, open, [value]);
    const names = keys(value);
    seen += names.length;
    if (seen > mostKeys) throw new Refusal('codec_too_many_keys', `more than ${mostKeys} values`);
    for (let index = 0; index < names.length; index++) {
      const name = names[index];
      const at = path ? `${path}.${name}` : name;
      if (apply(setHas, FORBIDDEN, [name])) throw new Refusal('codec_result_key', `key ${at}`);
      const own = getOwnPropertyDescriptor(value, name);
      if (own === undefined) continue;
      if (own.get !== undefined || own.set !== undefined)
        throw new Refusal('codec_result', `${at} is a getter, not a value`);
      inspect(own.value, at, depth + 1, open, rejects);
    }
    apply(setDelete, open, [value]);
  }

  function looked_over(value, what, rejects) {
    seen = 0;
    if (typeof value !== 'object' || value === null || !is_plain(value, 0)) {
      seen = 0;
      inspect(value, '', 0, new ASet(), rejects);
    }
    const text = stringify(value);
    if (text !== undefined && text.length > mostChars)
      throw new Refusal('codec_result', `${what} has ${text.length} characters of JSON`);
    return text === undefined ? 'null' : text;
  }

  // --- calling what the codec defines ---------------------------------------------------------

  // TS013's functions, ChirpStack v3's Decode/Encode, The Things Network v2's Decoder/Encoder: the
  // first that is there serves.
  const CALLS = {
    uplink: [
      ['decodeUplink', (f, m) => f(m)],
      ['Decode', (f, m) => ({ data: f(m.fPort, m.bytes, m.variables) })],
      ['Decoder', (f, m) => ({ data: f(m.bytes, m.fPort, m.variables) })],
    ],
    encode: [
      ['encodeDownlink', (f, m) => f(m)],
      ['Encode', (f, m) => ({ bytes: f(m.fPort, m.data, m.variables) })],
      ['Encoder', (f, m) => ({ bytes: f(m.data, m.fPort, m.variables) })],
    ],
    downlink: [['decodeDownlink', (f, m) => f(m)]],
    normalize: [['normalizeUplink', (f, m) => f(m)]],
  };

  function chosen(direction, defined) {
    const ways = CALLS[direction];
    for (let index = 0; index < ways.length; index++) {
      const f = defined(ways[index][0]);
      if (typeof f === 'function') return (message) => ways[index][1](f, message);
    }
    return undefined;
  }

  function message_of(request) {
    const message = parse(request);
    const time = message.recvTime; // milliseconds, or {text} for a runner that gives it as text
    if (time !== undefined) message.recvTime = typeof time === 'object' ? time.text : new ADate(time);
    return message;
  }

  function answer(direction, request) {
    const defined = load();
    const call = chosen(direction, defined);
    if (call === undefined) {
      const names = [];
      for (let i = 0; i < CALLS[direction].length; i++) names[i] = CALLS[direction][i][0];
      throw new Refusal('codec_no_function', `the codec does not define ${names.join(' or ')}`);
    }
    const rejects = [];
    const output = call(message_of(request));
    if (output !== null && typeof output === 'object' && typeof output.then === 'function')
      throw new Refusal('codec_result', 'the codec returns a promise; it must return its result');
    const text = looked_over(output, 'the result', rejects);
    const normalized = direction === 'uplink' ? normalized_text(defined, text) : '';
    const remarks = (rejects.length ? `,"rejects":${stringify(rejects)}` : '') + normalized + log_text();
    return `{"output":${text}${remarks}}`;
  }

  function log_text() {
    return lines.length ? `,"log":${stringify(lines)}` : '';
  }

  // A codec whose normalization fails has decoded all the same: the failure stands beside the data.
  function normalized_text(defined, text) {
    const normalize = chosen('normalize', defined);
    if (normalize === undefined) return '';
    const output = parse(text);
    if (output === null || typeof output !== 'object' || (isArray(output.errors) && output.errors.length)) return '';
    try {
      return `,"normalized":${looked_over(normalize(output), 'the normalized result', [])}`;
    } catch (error) {
      if (is_limit(error)) throw error;
      return `,"normalize_error":${stringify(described(error)[1])}`;
    }
  }

  // --- errors ---------------------------------------------------------------------------------

  function is_limit(error) {
    return error === null || described(error)[0] === 'codec_memory_limit';
  }

  function described(error) {
    if (error instanceof Refusal) return [error.reason, error.detail];
    let text;
    try {
      text = error instanceof AnError ? `${error.name}: ${error.message}` : AString(error);
    } catch (_) {
      text = 'an error that cannot be shown';
    }
    text = AString(text).slice(0, 400);
    if (text === 'InternalError: out of memory' || text === 'RangeError: Maximum call stack size exceeded')
      return ['codec_memory_limit', text];
    return ['codec_exception', text];
  }

  // --- what must not outlive a message --------------------------------------------------------

  let names = [];

  // The built-ins' names get no other values and they themselves no new members, so that only what
  // is new on the global object has to be found after each message.
  function close_builtins() {
    names = ownKeys(globalThis);
    for (let i = 0; i < names.length; i++) {
      const one = globalThis[names[i]];
      if (one !== globalThis && one !== null && (typeof one === 'object' || typeof one === 'function')) {
        preventExtensions(one);
        if (one.prototype) preventExtensions(one.prototype);
      }
      const own = getOwnPropertyDescriptor(globalThis, names[i]);
      if (own.configurable) defineProperty(globalThis, names[i], { value: own.value, enumerable: false, writable: false, configurable: false });
    }
  }

  // Returns whether all is as it was; false means that this context must not be used again.
  function swept() {
    const now = ownKeys(globalThis);
    if (now.length === names.length) return true;
    let at = 0; // both lists are in the order of making
    for (let i = 0; i < now.length; i++) {
      if (now[i] === names[at]) at++;
      else if (!deleteProperty(globalThis, now[i])) return false;
    }
    return at === names.length;
  }

  // --- the codec ------------------------------------------------------------------------------

  let factory;

  function required(name) {
    const at = AString(name).replace(/^node:/, '');
    if (at === 'buffer' && globalThis.Buffer) return { Buffer: globalThis.Buffer };
    if (at === 'util') return { TextDecoder: globalThis.TextDecoder, TextEncoder: globalThis.TextEncoder };
    throw new AnError(`require('${at}'): a codec stands alone; only 'buffer' and 'util' are there`);
  }

  function load() {
    const module = { exports: {} };
    const local = factory(module, module.exports, required);
    return (name) => {
      const own = local(name);
      if (own !== undefined) return own;
      const exported = module.exports;
      if (exported !== null && exported !== undefined && exported[name] !== undefined) return exported[name];
      return hasOwn.call(globalThis, name) ? globalThis[name] : undefined;
    };
  }

  function said(level) {
    return function () {
      if (lines.length >= MOST_LINES) return;
      let text = '';
      for (let i = 0; i < arguments.length; i++) {
        const part = arguments[i];
        let shown;
        try {
          shown = typeof part === 'object' && part !== null ? stringify(part) : AString(part);
        } catch (_) {
          shown = '[object]';
        }
        text += (i ? ' ' : '') + shown;
        if (text.length > MOST_LINE) break;
      }
      lines[lines.length] = [level, text.slice(0, MOST_LINE)];
    };
  }

  const console = {};
  for (const level of ['log', 'debug', 'info', 'warn', 'error', 'trace']) console[level] = said(level);
  globalThis.console = Object.freeze(console);

  // The child process takes these two and takes them off the global object.
  globalThis.__start = function (wrapped, warm) {
    factory = wrapped;
    if (warm) close_builtins();
    else names = ownKeys(globalThis);
    const found = load();
    const functions = [];
    for (const direction of ['uplink', 'encode', 'downlink', 'normalize'])
      for (const [name] of CALLS[direction]) if (typeof found(name) === 'function') functions[functions.length] = name;
    const clean = swept();
    lines = [];
    return stringify({ functions, clean });
  };

  globalThis.__call = function (direction, request) {
    lines = [];
    let text;
    try {
      text = answer(direction, request);
    } catch (error) {
      if (error === null) throw error;
      text = stringify({ failure: described(error), log: lines });
    }
    // Joined, not added: QuickJS adds long texts as ropes, which its Python binding does not know.
    return apply(join, [swept() ? '+' : '-', text], ['']);
  };
})();
