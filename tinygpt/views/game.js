// The rules of the budget game, as tinygpt/scaling/game.py has them. A state is { round, bought, bet }: numbers of cells, in
// the order of buying, and [loss, low, high], empty before the bet.

export const targetOf = ({ targets }, { round }) => targets[round % targets.length];

// Credits are tenths, so that sums of prices stay exact.
export const creditsOf = ({ cells, credits }, { bought }) => bought.reduce((left, cell) => Math.round(10 * (left - cells[cell].price)) / 10, credits);

// The losses seen of a cell, in the order of its seeds.
export const seenOf = ({ cells }, { bought }, cell) => cells[cell].losses.slice(0, bought.filter((other) => other === cell).length);

// Why a run cannot be bought; empty where it can.
export function refusalOf(view, state, cell) {
  const { price, losses } = view.cells[cell];
  if (state.bet.length) return "This game is over: its bet is made. Begin a new one.";
  if (seenOf(view, state, cell).length === losses.length) return `All ${losses.length} runs of this kind are yours already.`;
  const left = creditsOf(view, state);
  return price > left ? `This run costs ${price} credits and you have ${left}.` : "";
}

export function betRefusal([loss, low, high]) {
  if (![loss, low, high].every(Number.isFinite)) return "A bet needs three numbers: the loss, and the ends of an interval.";
  return low <= loss && loss <= high ? "" : "The loss must lie in its interval: low ≤ loss ≤ high.";
}

export const intervalScore = (low, high, x, level) => high - low + (2 / (1 - level)) * Math.max(low - x, 0, x - high);

const meanLoss = (values) => values.reduce((a, b) => a + b, 0) / values.length;

export const penaltyOf = ([loss, low, high], losses, level) => meanLoss(losses.map((x) => Math.abs(loss - x) + intervalScore(low, high, x, level)));

// How the bet ended; null before.
export function verdictOf(view, state) {
  if (!state.bet.length) return null;
  const { losses, baseline } = targetOf(view, state);
  const [, low, high] = state.bet;
  return { loss: meanLoss(losses), inside: losses.filter((x) => low <= x && x <= high).length, runs: losses.length,
    penalty: penaltyOf(state.bet, losses, view.level), baseline: penaltyOf(baseline, losses, view.level) };
}
