import pc from "picocolors";
import { type Comparison, difference, isMet, ratio, type Target } from "./benchmark.js";
import { summarize } from "./statistics.js";

/** Three significant digits, and a thousand separator where they do not fit before the point. */
export function formatValue(value: number): string {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  const formatted = value.toFixed(Math.min(digits, 3));
  return formatted.replace(/\B(?=(\d{3})+$)/g, " ");
}

/** `median (min–max)`. */
export function formatSpread(values: readonly number[]): string {
  const { median, min, max } = summarize(values);
  if (values.length === 1) return formatValue(median);
  return `${formatValue(median)} (${formatValue(min)}–${formatValue(max)})`;
}

/** How ours stands to the peer's: a factor, or bytes more where the target is about those. */
export function formatStanding(comparison: Comparison): string {
  if (comparison.target?.of !== "difference") return `${ratio(comparison).toFixed(2)} ×`;
  return `${formatSigned(difference(comparison))} ${comparison.unit}`;
}

function formatSigned(more: number): string {
  return `${more < 0 ? "−" : "+"}${formatValue(Math.abs(more))}`;
}

export function formatTarget(target: Target): string {
  if (target.of === "difference") return `≤ ${formatSigned(target.atMost)}`;
  return "atLeast" in target ? `≥ ${target.atLeast} ×` : `≤ ${target.atMost} ×`;
}

export function formatOutcome(comparison: Comparison): string {
  const met = isMet(comparison);
  if (met === undefined) return "";
  return met ? "met" : "missed";
}

export function printComparison(comparison: Comparison): void {
  const { title, unit, ours, peer, target, note } = comparison;
  const outcome = formatOutcome(comparison);
  const verdict =
    target === undefined
      ? ""
      : `  target ${formatTarget(target)}: ${outcome === "met" ? pc.green(outcome) : pc.red(outcome)}`;
  console.log(`  ${pc.bold(title)}, ${unit}`);
  console.log(`    ${ours.name.padEnd(36)} ${formatSpread(ours.values)}`);
  console.log(`    ${peer.name.padEnd(36)} ${formatSpread(peer.values)}`);
  console.log(`    ${formatStanding(comparison)}${verdict}${note === undefined ? "" : pc.dim(`  ${note}`)}`);
}

/** Shows what is being measured: one line that changes on a terminal, a line each elsewhere. On standard error. */
export function showProgress(step: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${pc.dim(step)}`);
  else process.stderr.write(`${step}\n`);
}

export function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
}
