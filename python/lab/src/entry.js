// What a page of JupyterLab asks for this extension: a container as module federation has it. The page calls
// `init` with the modules that it shares, and `get` for what package.json names.

{
  /** @type {Container} */
  const container = {
    shared: {},
    init(shared) {
      container.shared = shared;
    },
    async get(name) {
      switch (name) {
        case "./extension": {
          const { default: plugin } = await import(beside("index.js"));
          return () => ({ __esModule: true, default: plugin });
        }
        case "./style":
          return () => addStyle(beside("style.css"));
        default:
          throw new Error(`jansky-lab has no module ${name}`);
      }
    },
  };

  // Only known while this runs for the first time.
  const here = /** @type {HTMLScriptElement} */ (document.currentScript).src;

  /** @param {string} name */
  const beside = (name) => new URL(name, here).href;

  /** @param {string} href */
  const addStyle = (href) => {
    document.head.append(
      Object.assign(document.createElement("link"), { rel: "stylesheet", href }),
    );
    return {};
  };

  window._JUPYTERLAB = { ...window._JUPYTERLAB, "jansky-lab": container };
}
