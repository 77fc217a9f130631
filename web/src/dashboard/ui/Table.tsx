import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useCallback, useRef, type KeyboardEvent, type ReactNode } from 'react';
import { DownIcon, UpIcon } from './icons';

// Column of a table; the class of its cells is its id.
export interface Column<Row> {
  id: string;
  label: string;
  // For those who do not see the column.
  labelHidden?: boolean;
  // The width as of a grid's track, such as 6rem or minmax(8rem, 2fr).
  width: string;
  cell: (row: Row) => ReactNode;
  // What to sort by; without it the column cannot be sorted by.
  sort?: (row: Row) => string | number;
  // Numbers stand at the right.
  numeric?: boolean;
  // Left out where the page is narrow.
  wide?: boolean;
}

export interface Sorting {
  column: string;
  down: boolean;
}

interface TableProps<Row> {
  label: string;
  columns: readonly Column<Row>[];
  // Sorted and filtered already; see sorted.
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  sorting: Sorting;
  onSort: (sorting: Sorting) => void;
  // A row was chosen, by a click or Enter; without it rows cannot be chosen.
  onChoose?: (row: Row) => void;
  // Attributes of a row, for tests: data-….
  rowData?: (row: Row) => Record<`data-${string}`, string | number | boolean>;
  rowHeight?: number;
  children?: ReactNode;
}

// Comparing by the language's rules is slow without a collator that is kept.
const collator = new Intl.Collator(undefined, { numeric: true });
export const compareText = collator.compare;

// sorted returns rows in the order of sorting; equal ones stay as they are.
export function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sorting: Sorting): Row[] {
  const by = columns.find((column) => column.id === sorting.column)?.sort;
  if (!by) return [...rows];
  const way = sorting.down ? -1 : 1;
  return rows
    .map((row) => ({ row, key: by(row) }))
    .sort((a, b) => way * (typeof a.key === 'string' && typeof b.key === 'string' ? compareText(a.key, b.key) : Number(a.key > b.key) - Number(a.key < b.key)))
    .map(({ row }) => row);
}

// Table draws only the rows that can be seen, so that thousands cost no more than
// tens. To a screen reader it is a table with all of them.
export function Table<Row>({ label, columns, rows, rowKey, sorting, onSort, onChoose, rowData, rowHeight = 44, children }: TableProps<Row>) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
    getItemKey: (index) => {
      const row = rows[index];
      return row === undefined ? index : rowKey(row);
    },
  });
  // The same function each time, so that rows which did not change are not drawn
  // again.
  const chosen = useRef(onChoose);
  chosen.current = onChoose;
  const choose = useCallback((row: Row) => chosen.current?.(row), []);
  const wide = columns.map((column) => column.width).join(' ');
  const narrow = columns.filter((column) => !column.wide).map((column) => column.width).join(' ');

  // The arrows move between rows, also to those that are not drawn yet.
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const at = Number((event.target as HTMLElement).closest<HTMLElement>('[data-index]')?.dataset['index'] ?? NaN);
    if (Number.isNaN(at)) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const index = Math.max(0, Math.min(rows.length - 1, to));
    virtual.scrollToIndex(index);
    requestAnimationFrame(() => requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"]`)?.focus()));
  };

  return (
    <div
      className="table"
      role="table"
      aria-label={label}
      aria-rowcount={rows.length + 1}
      ref={scroller}
      onKeyDown={onKeyDown}
      style={{ '--columns': wide, '--columns-narrow': narrow, '--row': `${rowHeight}px` } as React.CSSProperties}
    >
      <div className="table-head" role="rowgroup">
        <div className="table-row" role="row" aria-rowindex={1}>
          {columns.map((column) => (
            <Head key={column.id} column={column} sorting={sorting} onSort={onSort} />
          ))}
        </div>
      </div>
      <div className="table-body" role="rowgroup" style={{ height: `${virtual.getTotalSize()}px` }}>
        {virtual.getVirtualItems().map((item) => {
          const row = rows[item.index];
          if (row === undefined) return null;
          return (
            <RowView
              key={item.key}
              row={row}
              columns={columns}
              index={item.index}
              start={item.start}
              onChoose={onChoose ? choose : undefined}
              rowData={rowData}
            />
          );
        })}
      </div>
      {children}
    </div>
  );
}

interface RowProps<Row> {
  row: Row;
  columns: readonly Column<Row>[];
  index: number;
  start: number;
  onChoose: ((row: Row) => void) | undefined;
  rowData: TableProps<Row>['rowData'];
}

function PlainRow<Row>({ row, columns, index, start, onChoose, rowData }: RowProps<Row>) {
  return (
    <div
      className="table-row"
      role="row"
      aria-rowindex={index + 2}
      data-index={index}
      data-band={index % 2 === 1}
      tabIndex={onChoose ? 0 : -1}
      style={{ transform: `translateY(${start}px)` }}
      onClick={onChoose && (() => onChoose(row))}
      onKeyDown={
        onChoose &&
        ((event) => {
          if (event.key === 'Enter' && event.target === event.currentTarget) onChoose(row);
        })
      }
      {...rowData?.(row)}
    >
      {columns.map((column) => (
        <div key={column.id} role="cell" className={cellClass(column)}>
          {column.cell(row)}
        </div>
      ))}
    </div>
  );
}

const RowView = memo(PlainRow, (a, b) => a.row === b.row && a.columns === b.columns && a.index === b.index && a.start === b.start && a.rowData === b.rowData) as typeof PlainRow;

function cellClass(column: { id: string; numeric?: boolean; wide?: boolean }): string {
  return `cell-${column.id}${column.numeric ? ' numeric' : ''}${column.wide ? ' wide' : ''}`;
}

function Head<Row>({ column, sorting, onSort }: { column: Column<Row>; sorting: Sorting; onSort: (sorting: Sorting) => void }) {
  const by = sorting.column === column.id;
  if (!column.sort) {
    return (
      <div role="columnheader" className={cellClass(column)}>
        {column.labelHidden ? <span className="visually-hidden">{column.label}</span> : column.label}
      </div>
    );
  }
  return (
    <div role="columnheader" className={cellClass(column)} aria-sort={by ? (sorting.down ? 'descending' : 'ascending') : 'none'}>
      <button type="button" onClick={() => onSort({ column: column.id, down: by ? !sorting.down : column.numeric === true })}>
        {column.label}
        {by && (sorting.down ? <DownIcon /> : <UpIcon />)}
      </button>
    </div>
  );
}
