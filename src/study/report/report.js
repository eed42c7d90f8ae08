'use strict';
// A picture holds CT numbers: upper half of the PNG the high bytes of HU + 32768, lower half the low bytes.
async function decode(uri, size) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = size; canvas.height = 2 * size;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, size, 2 * size).data;
  const values = new Float32Array(size * size);
  for (let i = 0; i < values.length; i++) values[i] = bytes[4 * i] * 256 + bytes[4 * (i + values.length)] - 32768;
  return values;
}

// Grey levels of `values` (less `truth`, if it is given) in a window; the pure part, so that it can be tested alone.
function grey(values, truth, centre, width, pixels) {
  const low = centre - width / 2, scale = 255 / width;
  for (let i = 0; i < values.length; i++) {
    const value = truth ? values[i] - truth[i] : values[i];
    const level = Math.max(0, Math.min(255, Math.round((value - low) * scale)));
    pixels[4 * i] = pixels[4 * i + 1] = pixels[4 * i + 2] = level;
    pixels[4 * i + 3] = 255;
  }
  return pixels;
}

function element(tag, text) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  return made;
}

class Viewer {
  constructor(root, data) {
    Object.assign(this, { root, data, difference: false, zoom: null, decoded: new Map() });
    const [centre, width] = data.window;
    this.windows = [[centre, width], [0, width]];
    this.level = data.start;
    this.controls();
    this.cells = [{ label: 'Truth' }, ...data.methods.map(label => ({ label }))];
    const pictures = root.querySelector('.pictures');
    for (const [index, cell] of this.cells.entries()) pictures.append(this.cell(cell, index));
    this.show();
  }
  controls() {
    const find = name => this.root.querySelector('.' + name);
    const listen = (name, act) => find(name).addEventListener('input', event => { act(+event.target.value); this.show(); });
    const { levels, window: [centre, width] } = this.data;
    const span = Math.max(2 * width, 200);
    Object.assign(find('level'), { min: 0, max: levels.length - 1, value: this.level });
    Object.assign(find('centre'), { min: centre - span, max: centre + span, step: Math.max(1, Math.round(width / 100)) });
    Object.assign(find('width'), { min: Math.max(10, Math.round(width / 20)), max: 4 * width, step: Math.max(1, Math.round(width / 100)) });
    listen('level', value => { this.level = value; });
    listen('centre', value => { this.window()[0] = value; });
    listen('width', value => { this.window()[1] = value; });
    const [image, difference] = this.root.querySelectorAll('.switch button');
    const choose = wanted => { this.difference = wanted; this.show(); };
    image.addEventListener('click', () => choose(false));
    difference.addEventListener('click', () => choose(true));
    find('reset').addEventListener('click', () => {
      this.windows = [[centre, width], [0, width]];
      this.zoom = null;
      this.show();
    });
  }
  window() { return this.windows[+this.difference]; }
  cell(cell, index) {
    const figure = element('figure'), caption = element('figcaption');
    cell.canvas = element('canvas');
    cell.canvas.width = cell.canvas.height = Math.max(this.data.size, 512);
    cell.value = element('span', '');
    cell.value.className = 'value';
    cell.small = element('small', '');
    caption.append(element('b', cell.label), cell.value);
    figure.append(cell.canvas, caption, cell.small);
    const place = event => {
      const box = cell.canvas.getBoundingClientRect();
      const { x, y, size } = this.view();
      return [x + (event.clientX - box.left) / box.width * size, y + (event.clientY - box.top) / box.height * size];
    };
    cell.canvas.addEventListener('mousemove', event => this.read(...place(event).map(Math.floor)));
    cell.canvas.addEventListener('mouseleave', () => this.cells.forEach(cell => { cell.value.textContent = ''; }));
    cell.canvas.addEventListener('click', event => { this.zoom = this.zoom ? null : place(event); this.show(); });
    return figure;
  }
  // The square that is shown: all, or a third of it about the place that was clicked.
  view() {
    const full = this.data.size;
    if (!this.zoom) return { x: 0, y: 0, size: full };
    const size = full / 3, inside = at => Math.max(0, Math.min(full - size, at - size / 2));
    return { x: inside(this.zoom[0]), y: inside(this.zoom[1]), size };
  }
  uri(index) { return index === 0 ? this.data.truth : this.data.images[this.level][index - 1]; }
  values(index) {
    const uri = this.uri(index);
    if (!this.decoded.has(uri)) this.decoded.set(uri, decode(uri, this.data.size));
    return this.decoded.get(uri);
  }
  async show() {
    const turn = this.turn = (this.turn || 0) + 1;
    const [centre, width] = this.window(), { size } = this.data;
    const find = name => this.root.querySelector('.' + name);
    find('centre').value = centre; find('width').value = width;
    find('level-text').textContent = this.data.levels[this.level];
    find('centre-text').textContent = centre + ' HU';
    find('width-text').textContent = width + ' HU';
    this.root.querySelectorAll('.switch button').forEach((button, i) => button.setAttribute('aria-pressed', i === +this.difference));
    const truth = await this.values(0);
    for (const [index, cell] of this.cells.entries()) {
      const values = await this.values(index);
      if (turn !== this.turn) return;
      const sheet = document.createElement('canvas');
      sheet.width = sheet.height = size;
      const picture = new ImageData(size, size);
      grey(values, this.difference && index > 0 ? truth : null, ...(index > 0 ? [centre, width] : this.windows[0]), picture.data);
      sheet.getContext('2d').putImageData(picture, 0, 0);
      const context = cell.canvas.getContext('2d'), view = this.view();
      context.imageSmoothingEnabled = !this.zoom;
      context.imageSmoothingQuality = 'high';
      context.drawImage(sheet, view.x, view.y, view.size, view.size, 0, 0, cell.canvas.width, cell.canvas.height);
      cell.current = values;
      cell.small.textContent = index === 0 ? this.data.about : this.data.captions[this.level][index - 1];
    }
    this.root.dataset.ready = turn;
  }
  read(x, y) {
    const { size } = this.data;
    if (x < 0 || y < 0 || x >= size || y >= size) return;
    for (const cell of this.cells) if (cell.current) cell.value.textContent = cell.current[y * size + x] + ' HU';
  }
}

if (typeof document !== 'undefined') {
  const subjects = JSON.parse(document.getElementById('pictures').textContent);
  document.querySelectorAll('.viewer').forEach((root, index) => new Viewer(root, subjects[index]));
}
if (typeof module !== 'undefined') module.exports = { grey };
