// Signing in again in a window of its own, so that the notebook stays as it is.

/** @import { Watch } from "./watch.js" */

/** How long somebody may take, in milliseconds. */
const PATIENCE = 10 * 60_000;

/**
 * Opens the page, and closes its window once things stand well again.
 *
 * @param {Watch} watch
 * @param {string} url
 */
export function signIn(watch, url) {
  const address = new URL(url, window.location.href);
  if (address.protocol !== "https:" && address.protocol !== "http:") {
    return;
  }
  const width = 560;
  const height = 760;
  const left = window.screenX + Math.max(0, (window.outerWidth - width) / 2);
  const top = window.screenY + Math.max(0, (window.outerHeight - height) / 2);
  const features = `popup,width=${width},height=${height},left=${left},top=${top}`;
  const opened = window.open(address.href, "jansky-sign-in", features);

  // A provider may cut the tie between the windows, after which ours looks closed from here: so it
  // is not asked about, and the end is seen by how things stand.
  const before = attention(watch);
  const end = () => {
    watch.changed.disconnect(look);
    window.clearTimeout(timer);
    watch.hurry(false);
  };
  const look = () => {
    if (attention(watch) < before) {
      opened?.close();
      end();
    }
  };
  const timer = window.setTimeout(end, PATIENCE);
  watch.changed.connect(look);
  watch.hurry(true);
}

/**
 * How many things ask for a sign-in.
 *
 * @param {Watch} watch
 */
function attention(watch) {
  const { signIn, identities, services } = watch.standing;
  const lines = [...identities, ...services].filter((line) => line.signIn !== undefined);
  return lines.length + (signIn === undefined ? 0 : 1);
}
