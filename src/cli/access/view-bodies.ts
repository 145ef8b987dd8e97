import type { NoticeView } from '../../actors/operations/notice-view.ts';
import type { NoticeKind } from '../../protocols/notice/notice.ts';

/** What a node shows as in force of a kind: one body, or all of those that must agree; none before there is one. */
export function bodiesOfView(views: readonly NoticeView[], kind: NoticeKind): readonly unknown[] {
  const body = views.find((view) => view.kind === kind)?.body;
  if (body === undefined) return [];
  return Array.isArray(body.allOf) ? body.allOf : [body];
}
