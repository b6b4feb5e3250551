// Sizes and times of an upload in words.

// As the server writes sizes: decimal units, one decimal.
const UNITS = ["B", "kB", "MB", "GB", "TB"];
const sized = (bytes) => {
  let size = bytes, unit = 0;
  while (size >= 999.95 && unit < UNITS.length - 1) { size /= 1000; unit += 1; }
  return [unit ? size.toFixed(1) : String(size), UNITS[unit]];
};
export const inWords = (bytes) => sized(bytes).join(" ");
export const ofWords = (done, all) => {
  const [some, unit] = sized(done), [whole, same] = sized(all);
  return `${unit === same ? some : `${some} ${unit}`} of ${whole} ${same}`;
};
export const left = (seconds) => {
  if (seconds < 60) return "less than a minute left";
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min left`;
  const minutes = Math.ceil(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
};
