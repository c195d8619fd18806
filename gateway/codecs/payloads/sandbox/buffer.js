// Node's Buffer, as far as payload codecs use it. Evaluated after text.js, for codecs that name it.
(function () {
  'use strict';
  const { base64_bytes, base64_text, utf8_bytes, utf8_text, latin1_text, utf16_text } = globalThis.__text;

  function bytes_from(text, encoding) {
    switch (String(encoding || 'utf8').toLowerCase()) {
      case 'hex': {
        const bytes = [];
        for (let i = 0; i + 1 < text.length; i += 2) {
          const pair = text.slice(i, i + 2);
          if (!/^[0-9a-f]{2}$/i.test(pair)) break;
          bytes.push(parseInt(pair, 16));
        }
        return bytes;
      }
      case 'base64': case 'base64url':
        return base64_bytes(text, false);
      case 'ascii': case 'latin1': case 'binary':
        return Array.from(text, (letter) => letter.charCodeAt(0) & 255);
      case 'utf16le': case 'ucs2': case 'ucs-2': case 'utf-16le': {
        const bytes = [];
        for (let i = 0; i < text.length; i++) bytes.push(text.charCodeAt(i) & 255, text.charCodeAt(i) >> 8);
        return bytes;
      }
      case 'utf8': case 'utf-8':
        return utf8_bytes(text);
      default:
        throw new TypeError(`Unknown encoding: ${encoding}`);
    }
  }

  class Buffer extends Uint8Array {
    static get [Symbol.species]() { return Buffer; }

    static from(source, encoding, length) {
      if (typeof source === 'string') return new Buffer(bytes_from(source, encoding));
      if (source instanceof ArrayBuffer) return new Buffer(source, encoding, length);
      if (source && source.type === 'Buffer' && Array.isArray(source.data)) return new Buffer(source.data);
      if (source === null || typeof source !== 'object') throw new TypeError('Buffer.from takes a string, bytes or a Buffer');
      return new Buffer(Array.from(source, (value) => value & 255));
    }
    static alloc(size, fill, encoding) {
      const made = new Buffer(size);
      return fill === undefined ? made : made.fill(fill, 0, size, encoding);
    }
    static allocUnsafe(size) { return new Buffer(size); }
    static isBuffer(value) { return value instanceof Buffer; }
    static byteLength(text, encoding) { return typeof text === 'string' ? bytes_from(text, encoding).length : text.byteLength; }
    static isEncoding(name) { try { bytes_from('', name); return true; } catch (_) { return false; } }
    static compare(a, b) { return a.compare(b); }
    static concat(list, total) {
      const size = total === undefined ? list.reduce((sum, one) => sum + one.length, 0) : total;
      const made = new Buffer(size);
      let at = 0;
      for (const one of list) {
        for (let i = 0; i < one.length && at < size; i++) made[at++] = one[i];
      }
      return made;
    }

    toString(encoding, start = 0, end = this.length) {
      const part = this.subarray(Math.max(0, start), Math.min(end, this.length));
      switch (String(encoding || 'utf8').toLowerCase()) {
        case 'hex': return Array.from(part, (byte) => (byte < 16 ? '0' : '') + byte.toString(16)).join('');
        case 'base64': return base64_text(part);
        case 'base64url': return base64_text(part).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
        case 'ascii': return latin1_text(Array.from(part, (byte) => byte & 127));
        case 'latin1': case 'binary': return latin1_text(part);
        case 'utf16le': case 'ucs2': case 'ucs-2': case 'utf-16le': return utf16_text(part);
        case 'utf8': case 'utf-8': return utf8_text(part, false);
        default: throw new TypeError(`Unknown encoding: ${encoding}`);
      }
    }
    toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
    slice(start, end) { return this.subarray(start, end); }
    equals(other) { return this.length === other.length && this.every((byte, i) => byte === other[i]); }
    compare(other) {
      for (let i = 0; i < Math.min(this.length, other.length); i++) if (this[i] !== other[i]) return this[i] < other[i] ? -1 : 1;
      return Math.sign(this.length - other.length);
    }
    copy(target, at = 0, start = 0, end = this.length) {
      const part = this.subarray(start, Math.min(end, start + target.length - at));
      target.set(part, at);
      return part.length;
    }
    fill(value, start, end, encoding) {
      if (typeof value !== 'string') return super.fill(value, start, end);
      const bytes = bytes_from(value, typeof start === 'string' ? start : encoding);
      const from = typeof start === 'number' ? start : 0;
      for (let i = from; i < (end === undefined ? this.length : end); i++) this[i] = bytes.length ? bytes[(i - from) % bytes.length] : 0;
      return this;
    }
    write(text, at = 0, length, encoding) {
      if (typeof at === 'string') return this.write(text, 0, undefined, at);
      if (typeof length === 'string') return this.write(text, at, undefined, length);
      const bytes = bytes_from(text, encoding).slice(0, Math.min(this.length - at, length === undefined ? Infinity : length));
      this.set(bytes, at);
      return bytes.length;
    }
    indexOf(value, from = 0, encoding) {
      if (typeof value === 'number') return super.indexOf(value & 255, from);
      const bytes = typeof value === 'string' ? bytes_from(value, encoding) : value;
      for (let i = from; i + bytes.length <= this.length; i++) {
        let j = 0;
        while (j < bytes.length && this[i + j] === bytes[j]) j++;
        if (j === bytes.length) return i;
      }
      return -1;
    }
    includes(value, from, encoding) { return this.indexOf(value, from, encoding) !== -1; }
    swap16() { return this.swapped(2); }
    swap32() { return this.swapped(4); }
    swap64() { return this.swapped(8); }
    swapped(width) {
      if (this.length % width) throw new RangeError(`Buffer size must be a multiple of ${width * 8}-bits`);
      for (let i = 0; i < this.length; i += width) this.subarray(i, i + width).reverse();
      return this;
    }

    readUIntBE(at, size) { let v = 0; for (let i = 0; i < size; i++) v = v * 256 + this.at_(at + i); return v; }
    readUIntLE(at, size) { let v = 0; for (let i = size - 1; i >= 0; i--) v = v * 256 + this.at_(at + i); return v; }
    readIntBE(at, size) { return signed(this.readUIntBE(at, size), size); }
    readIntLE(at, size) { return signed(this.readUIntLE(at, size), size); }
    writeUIntBE(value, at, size) { for (let i = size - 1; i >= 0; i--) { this[at + i] = value % 256; value = Math.floor(value / 256); } return at + size; }
    writeUIntLE(value, at, size) { for (let i = 0; i < size; i++) { this[at + i] = value % 256; value = Math.floor(value / 256); } return at + size; }
    writeIntBE(value, at, size) { return this.writeUIntBE(value < 0 ? value + 2 ** (8 * size) : value, at, size); }
    writeIntLE(value, at, size) { return this.writeUIntLE(value < 0 ? value + 2 ** (8 * size) : value, at, size); }
    at_(index) {
      if (!(index >= 0 && index < this.length)) throw new RangeError('Attempt to access memory outside buffer bounds');
      return this[index];
    }
  }

  function signed(value, size) { return value >= 2 ** (8 * size - 1) ? value - 2 ** (8 * size) : value; }

  function view(buffer, at, size) {
    if (!(at >= 0 && at + size <= buffer.length)) throw new RangeError('Attempt to access memory outside buffer bounds');
    return new DataView(buffer.buffer, buffer.byteOffset + at, size);
  }

  // name in Buffer, name in DataView, bytes
  const NUMBERS = [
    ['UInt8', 'Uint8', 1], ['Int8', 'Int8', 1], ['UInt16', 'Uint16', 2], ['Int16', 'Int16', 2],
    ['UInt32', 'Uint32', 4], ['Int32', 'Int32', 4], ['Float', 'Float32', 4], ['Double', 'Float64', 8],
    ['BigUInt64', 'BigUint64', 8], ['BigInt64', 'BigInt64', 8],
  ];
  for (const [name, type, size] of NUMBERS) {
    for (const end of size === 1 ? [''] : ['LE', 'BE']) {
      const little = end === 'LE';
      const read = function (at = 0) { return view(this, at, size)[`get${type}`](0, little); };
      const write = function (value, at = 0) { view(this, at, size)[`set${type}`](0, value, little); return at + size; };
      for (const spelled of new Set([name, name.replace('UInt', 'Uint')])) {
        Buffer.prototype[`read${spelled}${end}`] = read;
        Buffer.prototype[`write${spelled}${end}`] = write;
      }
    }
  }
  for (const end of ['LE', 'BE']) {
    Buffer.prototype[`readUint${end}`] = Buffer.prototype[`readUInt${end}`];
    Buffer.prototype[`writeUint${end}`] = Buffer.prototype[`writeUInt${end}`];
  }
  globalThis.Buffer = Buffer;
})();
