import type { ActorLogic, AnyActorRef, Snapshot } from 'xstate';
import { fromHandler, type HandlerLogic } from '../kernel/handler.ts';
import type { Behaviour } from './behaviour.ts';
import { Cell } from './cell.ts';
import type { AgentMode } from './lifecycle.ts';
import type { CellEvent, CellInput, CellSurround } from './seat.ts';

/**
 * The actor around one agent: no chart of its own, so that a message costs a function call and not a transition on top
 * of the agent’s own, and an idle agent no XState actor at all unless its code is a chart. That one is a child of the
 * cell and of nobody else: what it forges with `sendParent` ends here.
 */
export const cellOf = ({ kind }: Behaviour): ActorLogic<CellSnapshot, CellEvent, CellInput> | HandlerCell =>
  kind === 'chart' ? chartCell : handlerCell;

type HandlerCell = HandlerLogic<CellEvent, CellInput>;

const handlerCell = fromHandler<CellEvent, CellInput>((self) => new Cell(self.input, self));

type CellSnapshot = Snapshot<undefined> & Pick<ModeSnapshot, 'cell' | 'value'>;

const chartCell: ActorLogic<CellSnapshot, CellEvent, CellInput> = {
  getInitialSnapshot: (scope, input) => {
    const actor = scope.self as unknown as AnyActorRef;
    return new ModeSnapshot(new Cell(input, new ChartSurround(actor, scope.stopChild))) as ModeSnapshot & CellSnapshot;
  },
  start: ({ cell }) => cell.start(),
  transition: (snapshot, event) => {
    snapshot.cell.receive(event);
    return snapshot;
  },
  getPersistedSnapshot: (snapshot) => snapshot,
};

/** What the cell of a chart lives in: XState reads its mode, and its end, from the snapshot. */
class ChartSurround implements CellSurround {
  readonly actor: AnyActorRef;
  readonly stopChild: (child: AnyActorRef) => void;

  constructor(actor: AnyActorRef, stopChild: (child: AnyActorRef) => void) {
    this.actor = actor;
    this.stopChild = stopChild;
  }

  became(): void {}
  finish(): void {}
}

/** One for a whole life: XState lets no logic say anything new when it has started, and by then it runs. */
class ModeSnapshot {
  readonly cell: Cell;
  readonly output = undefined;
  readonly error = undefined;

  constructor(cell: Cell) {
    this.cell = cell;
  }

  get value(): AgentMode {
    return this.cell.mode;
  }

  get status(): 'active' | 'done' {
    return this.cell.mode === 'stopped' ? 'done' : 'active';
  }
}
