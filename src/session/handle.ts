import { GENERATION_BITS, SlotState, STATE_BITS } from "./table_layout.js";

/**
 * Names one session of a table for as long as it lasts, in every environment and in C++: slot and generation in one
 * number, exact in a double. A stale one names nobody, until the slot has been used another 2^29 - 1 times.
 */
export type SessionHandle = number & { readonly brand: "SessionHandle" };

const slotBits = 20;
const slotMask = 2 ** slotBits - 1;
/** Also the last generation. */
export const generationMask = 2 ** GENERATION_BITS - 1;
const stateMask = 2 ** STATE_BITS - 1;

export function handleOf(slot: number, generation: number): SessionHandle {
  return (generation * 2 ** slotBits + slot) as SessionHandle;
}

/** Any number is safe: what is no handle has a slot beyond the table or a generation that no slot has. */
export function slotOf(handle: SessionHandle): number {
  return handle & slotMask;
}

/** 1 to 2^29 - 1; 0 of what is no handle. */
export function generationOf(handle: SessionHandle): number {
  const generation = (handle / 2 ** slotBits) | 0;
  return generation >>> GENERATION_BITS === 0 ? generation : 0;
}

/** A slot's first word. */
export function stateWord(generation: number, state: SlotState): number {
  return (generation << STATE_BITS) | state;
}

/** 0 to 7; those beyond SlotState are damage. */
export function stateIn(word: number): number {
  return word & stateMask;
}

/** Whether a session has the slot, opening and closed ones too: it is neither free nor damaged. */
export function isInUse(word: number): boolean {
  const state = stateIn(word);
  return state !== SlotState.free && state <= SlotState.closed;
}

export function generationIn(word: number): number {
  return word >>> STATE_BITS;
}

/** Never 0, so that no number that came about by accident, such as NaN, is a handle. */
export function nextGeneration(generation: number): number {
  return (generation & generationMask) === generationMask ? 1 : generation + 1;
}
