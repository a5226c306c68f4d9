import { loadAddon, type NativeSessionDirectory } from "#internal/native/addon.js";
import type { Claim } from "#internal/session/claim.js";
import { SessionTable } from "#internal/session/table.js";
import type { TableMemory } from "#internal/session/table_layout.js";
import { createTableMemory } from "#internal/session/table_memory.js";

/** One environment of a table, without the inboxes that Sessions has as well. */
export class TableEnvironment {
  readonly table: SessionTable;
  readonly claim: Claim;
  readonly directory: NativeSessionDirectory;

  private constructor(memory: TableMemory, directory: NativeSessionDirectory) {
    this.directory = directory;
    this.claim = directory.join(() => {}, new Int32Array(1), memory) as Claim;
    this.table = new SessionTable(memory, directory);
  }

  /** The first of a new table. */
  static create(slots: number): TableEnvironment {
    const directory = new (loadAddon().SessionDirectory)(slots, 8);
    return new TableEnvironment(createTableMemory(slots), directory);
  }

  /** One more of the same table. */
  join(): TableEnvironment {
    const directory = new (loadAddon().SessionDirectory)(0, this.directory.id());
    return new TableEnvironment(this.table.memory, directory);
  }

  /** Ends it, as when its thread ends. */
  leave(): void {
    this.directory.leave();
  }
}
