// atob, btoa, TextEncoder and TextDecoder (UTF-8, Latin-1, ASCII, UTF-16LE), for codecs that name
// them. After the WHATWG's Encoding and HTML standards, as far as payloads need them.
(function () {
  'use strict';
  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const SEXTET = {};
  for (let i = 0; i < 64; i++) SEXTET[ALPHABET[i]] = i;
  SEXTET['-'] = 62;
  SEXTET['_'] = 63;
  const fromCharCode = String.fromCharCode, fromCodePoint = String.fromCodePoint;

  function base64_bytes(text, strict) {
    const plain = String(text).replace(/[\t\n\f\r ]+/g, '').replace(/={1,2}$/, '');
    if (strict && (/[^A-Za-z0-9+/]/.test(plain) || plain.length % 4 === 1))
      throw new Error('InvalidCharacterError: not base64');
    const bytes = [];
    let bits = 0, held = 0;
    for (const letter of plain) {
      const value = SEXTET[letter];
      if (value === undefined) continue;
      bits = ((bits << 6) | value) & 0xffffff;
      held += 6;
      if (held >= 8) bytes.push((bits >> (held -= 8)) & 255);
    }
    return bytes;
  }

  function base64_text(bytes) {
    let text = '';
    for (let i = 0; i < bytes.length; i += 3) {
      const left = bytes.length - i;
      const word = (bytes[i] << 16) | ((left > 1 ? bytes[i + 1] : 0) << 8) | (left > 2 ? bytes[i + 2] : 0);
      text += ALPHABET[word >> 18] + ALPHABET[(word >> 12) & 63];
      text += left > 1 ? ALPHABET[(word >> 6) & 63] : '=';
      text += left > 2 ? ALPHABET[word & 63] : '=';
    }
    return text;
  }

  function utf8_bytes(text) {
    const bytes = [];
    for (const letter of String(text)) {
      let code = letter.codePointAt(0);
      if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
      if (code < 0x80) bytes.push(code);
      else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
      else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
      else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    }
    return bytes;
  }

  // Each maximal wrong sequence becomes one U+FFFD, as the Encoding standard's decoder does.
  function utf8_text(bytes, fatal) {
    let text = '', need = 0, code = 0, lower = 0x80, upper = 0xbf;
    const wrong = () => {
      if (fatal) throw new TypeError('the bytes are not UTF-8');
      text += '\ufffd';
    };
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i];
      if (need === 0) {
        if (byte < 0x80) text += fromCharCode(byte);
        else if (byte >= 0xc2 && byte <= 0xdf) { need = 1; code = byte & 31; }
        else if (byte >= 0xe0 && byte <= 0xef) {
          if (byte === 0xe0) lower = 0xa0;
          if (byte === 0xed) upper = 0x9f;
          need = 2; code = byte & 15;
        } else if (byte >= 0xf0 && byte <= 0xf4) {
          if (byte === 0xf0) lower = 0x90;
          if (byte === 0xf4) upper = 0x8f;
          need = 3; code = byte & 7;
        } else wrong();
        continue;
      }
      if (byte < lower || byte > upper) {
        need = 0; lower = 0x80; upper = 0xbf;
        wrong();
        i--;
        continue;
      }
      lower = 0x80; upper = 0xbf;
      code = (code << 6) | (byte & 63);
      if (--need === 0) text += fromCodePoint(code);
    }
    if (need) wrong();
    return text;
  }

  function latin1_text(bytes) {
    let text = '';
    for (let i = 0; i < bytes.length; i++) text += fromCharCode(bytes[i]);
    return text;
  }

  function utf16_text(bytes) {
    let text = '';
    for (let i = 0; i + 1 < bytes.length; i += 2) text += fromCharCode(bytes[i] | (bytes[i + 1] << 8));
    return text;
  }

  function bytes_of(source) {
    if (source === undefined) return [];
    if (source instanceof ArrayBuffer) return new Uint8Array(source);
    if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    return source;
  }

  const LABELS = {
    'utf-8': 'utf-8', utf8: 'utf-8', ascii: 'windows-1252', 'us-ascii': 'windows-1252', latin1: 'windows-1252',
    'iso-8859-1': 'windows-1252', 'windows-1252': 'windows-1252', 'utf-16le': 'utf-16le', 'utf-16': 'utf-16le',
  };

  class TextDecoder {
    constructor(label = 'utf-8', options = {}) {
      const known = LABELS[String(label).trim().toLowerCase()];
      if (known === undefined) throw new RangeError(`the encoding ${label} is not known`);
      this.encoding = known;
      this.fatal = Boolean(options.fatal);
      this.ignoreBOM = Boolean(options.ignoreBOM);
    }
    decode(source) {
      const bytes = bytes_of(source);
      if (this.encoding === 'windows-1252') return latin1_text(bytes);
      const text = this.encoding === 'utf-8' ? utf8_text(bytes, this.fatal) : utf16_text(bytes);
      return !this.ignoreBOM && text[0] === '\ufeff' ? text.slice(1) : text;
    }
  }

  class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(text = '') { return new Uint8Array(utf8_bytes(text)); }
  }

  globalThis.atob = (text) => latin1_text(base64_bytes(text, true));
  globalThis.btoa = (text) => {
    const bytes = [];
    for (const letter of String(text)) {
      const code = letter.codePointAt(0);
      if (code > 255) throw new Error('InvalidCharacterError: beyond Latin-1');
      bytes.push(code);
    }
    return base64_text(bytes);
  };
  globalThis.TextDecoder = TextDecoder;
  globalThis.TextEncoder = TextEncoder;
  globalThis.__text = { base64_bytes, base64_text, utf8_bytes, utf8_text, latin1_text, utf16_text };
})();
