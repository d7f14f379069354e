"""Scaling laws: sweeps of runs, laws fitted to them, the compute-optimal frontier, and the bill."""

from tinygpt.scaling.bets import Bet, Verdict, interval_score
from tinygpt.scaling.bill import CHIPS, PUBLISHED, Bill, Chip, bill
from tinygpt.scaling.frontier import Profile, envelope, isoflop
from tinygpt.scaling.game import Game, Offer
from tinygpt.scaling.grids import GRIDS, Grid, shipped
from tinygpt.scaling.laws import Chinchilla, ChinchillaFit, Power, fit_chinchilla, fit_power
from tinygpt.scaling.record import Result, grid, results
from tinygpt.scaling.resampling import bootstrap, resampled
from tinygpt.scaling.sweep import sweep

__all__ = [
    "CHIPS",
    "GRIDS",
    "PUBLISHED",
    "Bet",
    "Bill",
    "Chinchilla",
    "ChinchillaFit",
    "Chip",
    "Game",
    "Grid",
    "Offer",
    "Power",
    "Profile",
    "Result",
    "Verdict",
    "bill",
    "bootstrap",
    "envelope",
    "fit_chinchilla",
    "fit_power",
    "grid",
    "interval_score",
    "isoflop",
    "resampled",
    "results",
    "shipped",
    "sweep",
]
