// Draws from a distribution, and the chi-squared test of counts against it.

// Numbers in [0, 1) that depend on the seed alone (the generator mulberry32).
export function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// How often each of `odds` comes in n draws.
export function drawn(odds, n, seed) {
  const next = uniforms(seed);
  let sum = 0;
  const ends = Float64Array.from(odds, (share) => (sum += share));
  const counts = new Uint32Array(odds.length);
  for (let i = 0; i < n; i++) counts[firstAbove(ends, next() * sum)]++;
  return counts;
}

function firstAbove(ends, point) {
  let [low, high] = [0, ends.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle] > point) high = middle;
    else low = middle + 1;
  }
  return low;
}

// Σ (count − expected)² / expected over cells of at least 5 expected draws; the rarer tokens share one, joined by the rarest of
// the others where it is still too small.
export function chiSquared(counts, odds, n) {
  const cells = Array.from(odds, (share, id) => [share * n, counts[id]]).filter(([expected]) => expected > 0).sort((a, b) => b[0] - a[0]);
  const own = cells.filter(([expected]) => expected >= 5);
  const rest = cells.slice(own.length);
  while (rest.length && own.length && rest.reduce((sum, [expected]) => sum + expected, 0) < 5) rest.push(own.pop());
  if (rest.length) own.push(rest.reduce((a, b) => [a[0] + b[0], a[1] + b[1]]));
  const value = own.reduce((sum, [expected, count]) => sum + (count - expected) ** 2 / expected, 0);
  return { value, freedom: own.length - 1, tail: own.length > 1 ? upperGamma((own.length - 1) / 2, value / 2) : 1 };
}

const LANCZOS = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155, 0.1208650973866179e-2, -0.5395239384953e-5];

function logGamma(x) {
  const base = x + 5.5;
  const series = LANCZOS.reduce((sum, term, i) => sum + term / (x + 1 + i), 1.000000000190015);
  return Math.log((2.5066282746310005 * series) / x) - base + (x + 0.5) * Math.log(base);
}

// The regularised upper incomplete gamma function Q(a, x): a series where x is small, else a continued fraction (Lentz).
export function upperGamma(a, x) {
  if (x <= 0) return 1;
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  return x < a + 1 ? 1 - front * lowerSeries(a, x) : front * upperFraction(a, x);
}

function lowerSeries(a, x) {
  let term = 1 / a;
  let sum = term;
  for (let n = 1; n < 2000 && term > sum * 1e-15; n++) sum += term *= x / (a + n);
  return sum;
}

function upperFraction(a, x) {
  let b = x + 1 - a;
  let [c, d] = [1e300, 1 / b];
  let value = d;
  for (let n = 1; n < 2000; n++) {
    const step = -n * (n - a);
    b += 2;
    d = 1 / (step * d + b);
    c = b + step / c;
    value *= c * d;
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return value;
}
