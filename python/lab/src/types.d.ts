// What module federation is in a page of JupyterLab; for the compiler that checks, and for nobody else.

/** A version of a module that a page shares. */
interface SharedVersion {
  get(): (() => any) | Promise<() => any>;
  /** Whether somebody has taken it already. */
  loaded?: boolean | number;
}

/** The modules that a page shares, by name and version. */
type SharedModules = Record<string, Record<string, SharedVersion>>;

/** An extension, as the page knows it. */
interface Container {
  shared: SharedModules;
  init(shared: SharedModules): void;
  get(name: string): Promise<() => object>;
}

interface Window {
  _JUPYTERLAB: Record<string, Container>;
}
