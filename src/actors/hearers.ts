/** Who hears of something for the life of the node. */
export interface Hearers<T> {
  add(hearer: (news: T) => void): void;
  /** Tells all of them, on the caller’s stack. */
  tell(news: T): void;
}

export function hearers<T>(): Hearers<T> {
  const all: ((news: T) => void)[] = [];
  return {
    add: (hearer) => void all.push(hearer),
    tell: (news) => {
      for (const hear of all) hear(news);
    },
  };
}
