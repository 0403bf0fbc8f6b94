'use strict';
(() => {
  const config = JSON.parse(document.getElementById('config').textContent);
  const element = id => document.getElementById(id);
  const count = 10;
  const narrow = matchMedia('(max-width: 44rem)');
  const still = matchMedia('(prefers-reduced-motion: reduce)');

  // The last answer, and the black box's own ranking of its query. The ranking stays when weights of 0 leave the black box out.
  let answer = null;
  let own = [];
  let marks = {};
  let open = new Set();
  let words = new Map();
  // The weights of the next search, by source. Not the sliders' own values, because the artefact's may lie between their steps.
  const weights = new Map(config.sources.map(source => [source.name, source.weight]));
  let waiting = null;
  let key = sessionStorage.getItem('mafin-key');
  let asking = null;
  // The picture of the query as a data URL, and that of the last answer.
  let picture = null;
  let answered = null;
  // What to do once a key has been entered.
  let afterKey = null;

  // ---- asking

  async function ask(path, body, signal) {
    const headers = {};
    if (body) headers['content-type'] = 'application/json';
    if (key) headers['authorization'] = 'Bearer ' + key;
    const response = await fetch(path, { method: body ? 'POST' : 'GET', headers, body: body ? JSON.stringify(body) : undefined, signal });
    const text = await response.text();
    if (response.status === 401) askForKey();
    let value = null;
    // A proxy in between answers in HTML.
    try { value = text ? JSON.parse(text) : null; } catch { if (response.ok) throw new Error('the answer is not JSON'); }
    if (!response.ok) throw new Error(value && value.error ? value.error.message : 'the service answered ' + response.status);
    return value;
  }

  function askForKey() {
    element('key-form').hidden = false;
    element('key').focus();
  }

  function fail(error) {
    if (error.name === 'AbortError') return;
    element('error').textContent = error.message;
    element('error').hidden = false;
  }

  // Searches for a new query, or for the same query again with other weights.
  async function search(query) {
    if (!query.trim() && !picture) return;
    clearTimeout(waiting);
    if (asking) asking.abort();
    element('error').hidden = true;
    if ([...weights.values()].every(weight => weight === 0)) {
      fail(new Error('One source needs a weight above 0.'));
      return;
    }
    // Marks and explanations that are under way are not aborted.
    const mine = asking = new AbortController();
    const signal = mine.signal;
    const isNew = !answer || answer.query !== query || answered !== picture;
    const shownPicture = picture;
    if (isNew) element('status').textContent = 'Searching …';
    const begun = performance.now();
    try {
      const body = { query, top: count, weights: changed(), thumbnails: true };
      if (picture) body.image = picture;
      const wanted = [ask('/search', body, signal)];
      if (isNew && config.hasFeedback && !picture) wanted.push(ask('/feedback?query=' + encodeURIComponent(query), undefined, signal));
      const [found, marked] = await Promise.all(wanted);
      answer = found;
      answered = shownPicture;
      if (isNew) {
        own = [];
        open = new Set();
        words = new Map();
        marks = marked ? marked.grades : {};
      }
      if (answer.black_box_ranking.length) own = answer.black_box_ranking;
      element('results').hidden = false;
      element('skip').hidden = false;
      element('notice').hidden = !answer.degraded;
      if (answer.degraded) element('notice').textContent = `The black box is unavailable. Ranked by ${ranked().join(' + ')} alone. ${answer.degraded}`;
      render(!isNew);
      element('status').textContent = summary() + (answer.approximate ? ' Approximate.' : '') + ' ' + Math.round(performance.now() - begun) + ' ms.';
      remember();
    } catch (error) {
      // A later search has its own status.
      if (asking !== mine) return;
      element('status').textContent = '';
      fail(error);
    }
  }

  // ---- weights

  // The weights that differ from the artefact's.
  const changed = () => Object.fromEntries(config.sources.filter(source => weights.get(source.name) !== source.weight)
    .map(source => [source.name, weights.get(source.name)]));

  // The sources that the last answer was ranked by.
  const ranked = () => answer.sources.filter(source => source.weight > 0).map(source => source.name);

  const colour = name => 'source-' + Math.max(0, config.sources.findIndex(source => source.name === name)) % 8;
  const short = value => String(Number(value.toPrecision(3)));

  function makeSliders() {
    const largest = Math.max(...config.sources.map(source => source.weight));
    config.sources.forEach((source, place) => {
      const block = make('div', 'slider ' + colour(source.name));
      const label = make('label');
      label.htmlFor = 'weight-' + place;
      const swatch = make('span', 'swatch');
      swatch.setAttribute('aria-hidden', 'true');
      const value = make('output');
      value.htmlFor = label.htmlFor;
      label.append(swatch, source.name + ' ', value);
      const input = make('input');
      input.type = 'range';
      input.id = label.htmlFor;
      input.dataset.source = source.name;
      input.min = 0;
      input.max = 2 * (source.weight || largest);
      input.step = input.max / 200;
      input.addEventListener('input', () => setWeight(source.name, Number(input.value), false));
      block.append(label, input);
      element('sliders').append(block);
    });
  }

  function setWeight(name, weight, movesSlider) {
    weights.set(name, weight);
    const place = config.sources.findIndex(source => source.name === name);
    const input = element('weight-' + place);
    if (movesSlider) input.value = weight;
    input.setAttribute('aria-valuetext', short(weight));
    input.parentElement.querySelector('output').textContent = short(weight);
    if (!answer) return;
    // A moving slider asks when it rests for a moment.
    clearTimeout(waiting);
    waiting = setTimeout(() => search(answer.query), 150);
  }

  const ownRanks = () => new Map(own.map(hit => [hit.id, hit.rank]));

  function summary() {
    const before = ownRanks();
    const after = answer.results;
    const unasked = answer.answered_by === 'stand-in' && !answer.degraded ? ', without asking the black box' : '';
    const by = `${after.length} results by ${ranked().join(' + ')}${unasked}`;
    if (!own.length) return by + '.';
    const moved = after.filter(hit => before.get(hit.id) !== hit.rank).length;
    const fresh = after.filter(hit => !before.has(hit.id)).length;
    return `${by}: ${moved} have another rank than with the black box alone, ${fresh} of them are new.`;
  }

  // ---- drawing

  function make(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  // Cuts between characters. A cut within one would show a replacement character.
  const shown = hit => hit.title || [...hit.text.slice(0, 300)].slice(0, 120).join('') || hit.id;
  const number = value => (value === undefined || value === null ? '–' : value.toFixed(3));

  function movement(before, after) {
    if (before === undefined) return ['up', '▲ new', 'new: not among the first ' + count + ' of the black box'];
    if (after === undefined) return ['down', '▼ out', 'falls out of the first ' + count];
    if (after < before) return ['up', '▲ ' + (before - after), 'up by ' + (before - after)];
    if (after > before) return ['down', '▼ ' + (after - before), 'down by ' + (after - before)];
    return ['', '=', 'same place'];
  }

  function card(hit, side, before, after, scale) {
    const item = make('li');
    item.dataset.id = hit.id;
    if (marks[hit.id] === 1) item.classList.add('relevant');
    if (marks[hit.id] === 0) item.classList.add('wrong');
    const name = side + ':' + hit.id;
    const head = make('button', 'head');
    head.type = 'button';
    head.dataset.name = name;
    head.setAttribute('aria-expanded', open.has(name));
    const title = make('span', 'title');
    title.append(make('span', 'rank', hit.rank + '.'));
    if (hit.thumbnail) {
      const image = make('img', 'thumbnail');
      image.src = hit.thumbnail;
      image.alt = 'picture ' + hit.id;
      title.append(image);
    }
    title.append(foreign(make('span', 'name', shown(hit))));
    if (own.length) {
      const [kind, sign, spoken] = movement(before, after);
      const move = make('span', 'move ' + kind, sign);
      move.setAttribute('aria-label', spoken);
      title.append(move);
    }
    head.append(title);
    // The left side is ranked by the black box alone, the right side by the sum of all parts.
    const parts = side === 'left' ? [{ source: 'black-box', part: hit.score }]
      : hit.parts.filter(part => answer.weights[part.source] > 0);
    const bar = make('span', 'bar');
    for (const { source, part } of parts) {
      const segment = make('span', colour(source) + (part < 0 ? ' negative' : ''));
      segment.style.width = 100 * Math.min(1, Math.abs(part) / scale) + '%';
      segment.title = source + ' ' + number(part);
      bar.append(segment);
    }
    head.append(bar);
    head.append(make('span', 'numbers', side === 'left' ? 'cosine ' + number(hit.score)
      : number(hit.score) + ' = ' + parts.map(({ source, part }) => number(part) + ' ' + source).join(' + ')));
    item.append(head);
    if (open.has(name)) {
      const body = details(hit, name);
      body.id = `text-${side}-${hit.rank}`;
      head.setAttribute('aria-controls', body.id);
      item.append(body);
    }
    return item;
  }

  // A text of the collection, whose language and direction are not known.
  function foreign(node) {
    node.dir = 'auto';
    node.lang = '';
    return node;
  }

  function details(hit, name) {
    const body = make('div', 'body');
    body.append(foreign(make('p', '', hit.text)));
    body.append(make('span', 'id', 'id ' + hit.id));
    const actions = make('div', 'actions');
    // By these names the focus stays in place when the cards are drawn again.
    const button = (className, text, action) => {
      const node = make('button', className, text);
      node.type = 'button';
      node.dataset.name = name + ':' + action;
      actions.append(node);
      return node;
    };
    if (config.explainsWords && !answered) button('explain', 'Which words matter for the local score?', 'explain');
    if (config.hasFeedback && !answered) {
      for (const [grade, text] of [[1, 'Relevant'], [0, 'Wrong']]) {
        const isMarked = marks[hit.id] === grade;
        button(isMarked ? 'mark marked' : 'mark', isMarked ? `Undo “${text}”` : text, grade).dataset.grade = grade;
      }
    }
    body.append(actions);
    const found = words.get(hit.id);
    if (found) body.append(attribution(found));
    return body;
  }

  function attribution(found) {
    const block = make('div', 'words');
    if (found === 'asking') {
      block.append(make('p', 'quiet', 'Leaving out each word in turn …'));
      return block;
    }
    for (const side of found.sides) {
      block.append(make('div', 'caption', (side.side === 'query' ? 'Query' : 'Passage') + ': how much the score falls without each word'));
      const text = foreign(make('div'));
      const most = Math.max(1e-6, ...side.pieces.map(piece => Math.abs(piece.share || 0)));
      for (const piece of side.pieces) {
        if (piece.share === undefined) { text.append(piece.text); continue; }
        const word = make('mark', '', piece.text);
        word.title = (piece.share >= 0 ? '+' : '−') + Math.abs(piece.share).toFixed(3);
        const colour = piece.share >= 0 ? '--word-plus' : '--word-minus';
        word.style.backgroundColor = `rgba(var(${colour}), ${(0.42 * Math.abs(piece.share) / most).toFixed(3)})`;
        if (Math.abs(piece.share) > most / 2) word.style.textDecoration = 'underline';
        text.append(word);
      }
      block.append(text);
      const best = side.pieces.filter(piece => piece.share !== undefined).sort((a, b) => Math.abs(b.share) - Math.abs(a.share)).slice(0, 5);
      block.append(make('div', 'caption', best.map(piece => piece.text + ' ' + (piece.share >= 0 ? '+' : '−') + Math.abs(piece.share).toFixed(3)).join(', ')));
    }
    return block;
  }

  function render(animated) {
    if (!answer) return;
    const after = answer.results;
    const afterRanks = new Map(after.map(hit => [hit.id, hit.rank]));
    const beforeRanks = ownRanks();
    const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.name : null;
    const places = new Map([...element('right').children].map(item => [item.dataset.id, item.getBoundingClientRect().top]));
    const scale = Math.max(1e-6, ...after.map(hit => hit.parts.reduce((sum, { part }) => sum + Math.abs(part), 0)));
    const scaleLeft = Math.max(1e-6, ...own.map(hit => hit.score));
    element('left').replaceChildren(...own.map(hit => card(hit, 'left', hit.rank, afterRanks.get(hit.id), scaleLeft)));
    element('right').replaceChildren(...after.map(hit => card(hit, 'right', beforeRanks.get(hit.id), hit.rank, scale)));
    element('left-column').hidden = !own.length;
    element('right-head').textContent = `${config.model}: ${ranked().join(' + ')}`;
    if (focused) {
      const again = document.querySelector(`[data-name="${CSS.escape(focused)}"]`);
      if (again) again.focus({ preventScroll: true });
    }
    if (animated && !still.matches) {
      for (const item of element('right').children) {
        const from = places.get(item.dataset.id);
        if (from === undefined) continue;
        const distance = from - item.getBoundingClientRect().top;
        if (!distance) continue;
        item.style.transform = `translateY(${distance}px)`;
        requestAnimationFrame(() => { item.classList.add('moving'); item.style.transform = ''; });
      }
    }
    draw(beforeRanks, afterRanks);
  }

  // Lines from each document's rank by the black box to its rank by mafin.
  function draw(before, after) {
    const svg = element('moves');
    if (narrow.matches || !own.length) return svg.replaceChildren();
    const frame = svg.getBoundingClientRect();
    const middle = item => {
      const head = item.querySelector('.head').getBoundingClientRect();
      // The position at the end of a running animation.
      const shift = item.style.transform ? parseFloat(item.style.transform.slice(11)) || 0 : 0;
      return head.top - shift + head.height / 2 - frame.top;
    };
    const right = new Map([...element('right').children].map(item => [item.dataset.id, middle(item)]));
    const width = frame.width;
    const line = (id, shape, isStub) => {
      const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
      path.setAttribute('d', shape);
      const [kind] = movement(before.get(id), after.get(id));
      path.setAttribute('class', `${kind} ${isStub ? 'gone' : ''}`);
      path.dataset.id = id;
      return path;
    };
    // The line of a document that is in one column only bends down and ends.
    const paths = [...element('left').children].map(item => {
      const id = item.dataset.id;
      const from = middle(item);
      if (!right.has(id)) return line(id, `M0 ${from} C${width * 0.25} ${from} ${width * 0.4} ${from + 4} ${width * 0.42} ${from + 24}`, true);
      const to = right.get(id);
      return line(id, `M0 ${from} C${width / 2} ${from} ${width / 2} ${to} ${width} ${to}`, false);
    });
    for (const [id, to] of right) {
      if (!before.has(id)) paths.push(line(id, `M${width * 0.58} ${to + 24} C${width * 0.6} ${to + 4} ${width * 0.75} ${to} ${width} ${to}`, true));
    }
    svg.replaceChildren(...paths);
  }

  function link(id) {
    for (const item of document.querySelectorAll('#board li')) item.classList.toggle('linked', item.dataset.id === id);
    for (const path of element('moves').children) path.classList.toggle('dim', Boolean(id) && path.dataset.id !== id);
  }

  // ---- doing

  async function explain(id) {
    words.set(id, 'asking');
    render(false);
    const query = answer.query;
    try {
      const found = await ask('/explain', { query, document: id });
      if (answer.query === query) words.set(id, found);
    } catch (error) {
      words.delete(id);
      fail(error);
    }
    render(false);
  }

  async function mark(id, grade) {
    const query = answer.query;
    try {
      const state = await ask('/feedback', { query, document: id, grade: marks[id] === grade ? null : grade });
      // Another search may have been answered in between.
      if (answer.query === query) marks = state.grades;
      const kept = state.labels === 1 ? '1 mark' : `${state.labels} marks`;
      const asked = state.queries === 1 ? '1 query' : `${state.queries} queries`;
      element('status').textContent = `Kept for training: ${kept} on ${asked}.`;
    } catch (error) {
      fail(error);
    }
    render(false);
  }

  // A link cannot send a key, so the key is exchanged for a cookie that opens the report.
  async function openReport() {
    afterKey = openReport;
    if (!key) return askForKey();
    try {
      await ask('/report', {});
      location.assign('/report');
    } catch (error) {
      fail(error);
    }
  }

  // Searches for a picture; null removes it.
  function show(url) {
    picture = url;
    const image = element('picture-shown');
    image.hidden = element('picture-remove').hidden = !url;
    if (url) image.src = url; else { image.removeAttribute('src'); element('picture').value = ''; }
    if (url) search(element('query').value);
  }

  function read(file) {
    if (!file) return;
    if (!['image/png', 'image/jpeg'].includes(file.type)) return fail(new Error('Only PNG and JPEG pictures can be searched for.'));
    const reader = new FileReader();
    reader.onload = () => show(reader.result);
    reader.onerror = () => fail(new Error('The picture cannot be read.'));
    reader.readAsDataURL(file);
  }

  function remember() {
    // A picture does not fit into a link.
    if (answered) return history.replaceState(null, '', '#');
    const others = changed();
    const parts = new URLSearchParams({ q: answer.query });
    if (Object.keys(others).length) parts.set('weights', JSON.stringify(others));
    history.replaceState(null, '', '#' + parts);
  }

  element('board').addEventListener('click', event => {
    const item = event.target.closest('li');
    if (!item) return;
    const head = event.target.closest('.head');
    const button = event.target.closest('.actions button');
    if (head) {
      const name = head.dataset.name;
      if (open.has(name)) open.delete(name); else open.add(name);
      render(false);
    } else if (button && button.classList.contains('explain')) {
      explain(item.dataset.id);
    } else if (button) {
      mark(item.dataset.id, Number(button.dataset.grade));
    }
  });
  for (const kind of ['mouseover', 'focusin']) {
    element('board').addEventListener(kind, event => {
      const item = event.target.closest('li');
      link(item ? item.dataset.id : null);
    });
  }
  element('board').addEventListener('mouseleave', () => link(null));

  if (config.readsImages) {
    element('picture-line').hidden = false;
    element('picture').addEventListener('change', event => read(event.target.files[0]));
    element('picture-remove').addEventListener('click', () => show(null));
    document.addEventListener('dragover', event => event.preventDefault());
    document.addEventListener('drop', event => {
      event.preventDefault();
      read(event.dataTransfer.files[0]);
    });
  }

  element('search').addEventListener('submit', event => {
    event.preventDefault();
    search(element('query').value);
  });
  element('key-form').addEventListener('submit', event => {
    event.preventDefault();
    key = element('key').value.trim();
    sessionStorage.setItem('mafin-key', key);
    element('key-form').hidden = true;
    element('error').hidden = true;
    const next = afterKey || (() => search(element('query').value));
    afterKey = null;
    next();
  });
  element('report').addEventListener('click', event => {
    if (!config.hasKeys) return;
    event.preventDefault();
    openReport();
  });
  element('weights-reset').addEventListener('click', () => {
    for (const source of config.sources) setWeight(source.name, source.weight, true);
  });
  document.addEventListener('keydown', event => {
    if (event.key === '/' && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      element('query').focus();
      element('query').select();
    }
  });
  new ResizeObserver(() => { if (answer) draw(ownRanks(), new Map(answer.results.map(hit => [hit.id, hit.rank]))); }).observe(element('board'));

  // ---- start

  element('model').textContent = config.model;
  element('report').hidden = !config.hasReport;
  element('no-index').hidden = config.hasIndex;
  element('search').hidden = !config.hasIndex;
  const mode = config.isOffline ? '; the black box is never asked' : '';
  const documents = config.isSharded ? 'documents of several services' : `${config.documents.toLocaleString()} documents`;
  if (config.hasIndex) element('documents').textContent = documents + mode;
  makeSliders();
  const given = new URLSearchParams(location.hash.slice(1));
  let kept = {};
  try { kept = JSON.parse(given.get('weights') || '{}') || {}; } catch { /* A link that somebody changed. */ }
  for (const source of config.sources) {
    const asked = kept[source.name];
    setWeight(source.name, Number.isFinite(asked) && asked >= 0 && asked <= 1e6 ? asked : source.weight, true);
  }
  if (given.get('q') && config.hasIndex) {
    element('query').value = given.get('q');
    search(given.get('q'));
  } else if (config.hasIndex && !narrow.matches) {
    element('query').focus();
  }
})();
