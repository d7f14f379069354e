// The arithmetic of scaling laws, and numbers as a bill writes them. A law is [E, A, B, alpha, beta].
import { roundStep, ticks } from "./host.js";

export const lawLoss = ([E, A, B, alpha, beta], N, D) => E + A * N ** -alpha + B * D ** -beta;

// Parameters and tokens of the lowest loss that C FLOPs buy.
export function lawOptimal([, A, B, alpha, beta], C, flops) {
  const budget = C / flops;
  const balance = ((alpha * A) / (beta * B)) ** (1 / (alpha + beta));
  const N = balance * budget ** (beta / (alpha + beta));
  return [N, budget / N];
}

export const lawLowest = (law, C, flops) => lawLoss(law, ...lawOptimal(law, C, flops));

// Between sorted values in a straight line, as numpy's quantile.
export function quantile(sorted, share) {
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

// From the (1 − level) / 2 quantile to its opposite; null of nothing.
export function middleOf(values, level) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? [quantile(sorted, (1 - level) / 2), quantile(sorted, (1 + level) / 2)] : null;
}

export function billOf(N, D, chip, { utilisation, dollars_per_hour: price }, { flops, bytes, overhead }) {
  const chips = Math.ceil((bytes * N) / chip.memory);
  const seconds = (flops * N * D) / (chip.flops * utilisation);
  return { chips, seconds: seconds / chips, joules: seconds * chip.watts * overhead, dollars: (seconds / 3600) * price };
}

const PREFIXES = ["µ", "m", "", "k", "M", "G", "T", "P", "E"];

// Three digits and a prefix, of counts B for billions; what no prefix reaches, as a power of ten.
export function prefixed(value, unit = "") {
  const three = Math.floor(Math.log10(Math.abs(value)) / 3 + 1e-9);
  const prefix = three === 3 && !unit ? "B" : PREFIXES[three + 2];
  const space = unit ? " " : "";
  if (prefix === undefined) return `${value.toExponential(2).replace("e+", "e")}${space}${unit}`;
  const text = (value / 1000 ** three).toPrecision(3);
  return text.includes("e") ? prefixed(Number(value.toPrecision(3)), unit) : text + space + prefix + unit;
}

// A round number with its prefix.
export const rounded = (value) => prefixed(value).replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");

const SPANS = [[365.25 * 86400, "years"], [86400, "days"], [3600, "h"], [60, "min"]];
export function inTime(seconds) {
  const [size, unit] = SPANS.find(([size]) => seconds >= 2 * size) ?? [];
  if (!unit) return prefixed(seconds, "s");
  return seconds / size >= 1000 ? `${prefixed(seconds / size)} ${unit}` : `${(seconds / size).toPrecision(3)} ${unit}`;
}
export const inEnergy = (joules) => (joules < 3.6e5 ? prefixed(joules, "J") : prefixed(joules / 3600, "Wh"));
export function inMoney(dollars) {
  if (dollars < 0.01) return "$" + dollars.toExponential(1);
  return "$" + (dollars < 1000 ? dollars.toFixed(2) : prefixed(dollars));
}

// A budget, in FLOPs.
export const inFlops = (C) => C.toExponential(2).replace("e+", "e");

const markText = (value) => {
  const size = Math.abs(value);
  const text = size >= 1e5 || (size && size < 1e-3) ? value.toExponential().replace("e+", "e") : String(value);
  return text.replace("-", "−");
};

// An axis of `plane` from the values it must show: where a value goes, the range and the marks.
export function axisOf(label, [low, high], log, wanted, write = markText) {
  const to = log ? Math.log10 : (value) => value;
  const decades = log ? Math.log10(high / low) : 0;
  return { label, to, from: log ? (at) => 10 ** at : Number, range: [to(low), to(high)], marks: marksOf(low, high, decades, wanted).map((value) => [to(value), write(value)]) };
}

function marksOf(low, high, decades, wanted) {
  if (decades < 1.2) return ticks(low, high, roundStep(high - low, wanted));
  const first = Math.floor(Math.log10(low));
  const powers = Array.from({ length: Math.ceil(Math.log10(high)) - first + 1 }, (_, i) => first + i);
  const every = Math.ceil(decades / wanted);
  const digits = decades < 2.5 ? [1, 2, 5] : [1];
  const marks = powers.filter((power) => power % every === 0).flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`)));
  return marks.filter((value) => value >= low * 0.999 && value <= high * 1.001);
}
