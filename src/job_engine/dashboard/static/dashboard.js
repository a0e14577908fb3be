// Keeps a page as the server would render it now. Everything works without this file; with it nobody has to reload.

const root = new URL(document.body.dataset.root, location.href)
const live = document.body.dataset.live // "list", "poll", the id of a job, or nothing
const CALM = 700 // ms between two looks at the server, at least, however much happens
const SHARE = 4 // a look is followed by a rest of so many times the time it took: a slow server is asked less
const POLL = 5000 // ms between two looks while there is no stream
const RECONNECT = 15000 // ms until a stream that the server has refused is tried again

// --- the page, anew

const OURS = new Set(['open', 'hidden', 'data-changed']) // attributes that this page sets, not the server

/** Make `old` like `fresh`, touching only what differs, so that focus, selection and scrolling stay. */
function morph(old, fresh) {
  if (old.nodeType !== 1) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue
    return
  }
  if (old.dataset.keep !== undefined) return
  const before = old.dataset.state
  for (const { name, value } of fresh.attributes) {
    if (!OURS.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value)
  }
  for (const { name } of [...old.attributes]) if (!OURS.has(name) && !fresh.hasAttribute(name)) old.removeAttribute(name)
  if (old.localName === 'tr' && before !== old.dataset.state) flash(old)
  morphChildren(old, fresh)
}

function morphChildren(old, fresh) {
  const keyed = new Map([...old.children].filter((node) => node.dataset.key).map((node) => [node.dataset.key, node]))
  let here = old.firstChild
  for (const node of [...fresh.childNodes]) {
    const key = node.dataset?.key
    const alike = here && here.nodeName === node.nodeName && !here.dataset?.key
    const known = key ? keyed.get(key) : alike ? here : undefined
    if (known === undefined) {
      const added = old.insertBefore(document.adoptNode(node), here)
      if (key && keyed.size && added.localName === 'tr') flash(added)
      reveal(added)
      continue
    }
    if (known === here) here = here.nextSibling
    else old.insertBefore(known, here)
    morph(known, node)
  }
  while (here) {
    const next = here.nextSibling
    here.remove()
    here = next
  }
}

function flash(row) {
  delete row.dataset.changed
  void row.offsetWidth // so that the animation begins again
  row.dataset.changed = ''
}

async function fetched(url, options) {
  const answer = await fetch(url, { credentials: 'same-origin', redirect: 'follow', ...options })
  if (new URL(answer.url).pathname.endsWith('/sign-in')) {
    location.reload() // the session has ended: the server says where to go
    throw new Error('signed out')
  }
  return new DOMParser().parseFromString(await answer.text(), 'text/html')
}

let looking = false
let again = false

/** Look at the server, now or as soon as it may be; several wishes are one look. */
async function look() {
  if (looking || document.hidden) {
    again = true
    return
  }
  looking = true
  again = false
  const began = performance.now()
  try {
    const page = await fetched(location.href)
    morph(document.querySelector('main'), page.querySelector('main'))
    document.title = page.title
    if (page.body.dataset.final !== undefined) document.body.dataset.final = ''
    if (live === 'poll' || stream?.readyState === EventSource.OPEN) say('live', 'live')
  } catch {
    say('waiting', 'no answer')
  }
  const took = performance.now() - began
  setTimeout(() => {
    looking = false
    if (again) look()
  }, Math.max(CALM, took * SHARE))
}

// --- when to look

const sign = document.getElementById('live')
let stream = null
let timer = 0

function say(state, text) {
  sign.hidden = false
  if (sign.dataset.is !== state) {
    sign.dataset.is = state
    sign.textContent = text
  }
}

const settled = () => document.body.dataset.final !== undefined

function listen() {
  close()
  if (document.hidden || settled()) return
  if (live === 'poll') {
    timer = setInterval(look, POLL)
    say('live', 'live')
    return
  }
  stream = new EventSource(new URL('api/stream', root))
  stream.onopen = () => {
    clearInterval(timer)
    say('live', 'live')
    look() // what happened before it was open
  }
  stream.onerror = () => {
    say('waiting', 'reconnecting')
    clearInterval(timer)
    timer = setInterval(look, POLL)
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, RECONNECT) // else the browser tries again
  }
  stream.addEventListener('changed', heard)
}

/** Something changed; a page of one job looks only if it was that one, or one of its family that it shows. */
function heard(event) {
  const { jobs, gone, more } = JSON.parse(event.data)
  if (live === 'list' || more || gone.includes(live) || jobs.some(({ id }) => id === live || shown(id))) look()
}

const shown = (id) => document.querySelector(`.tree [data-key="${CSS.escape(id)}"]`) !== null

function close() {
  stream?.close()
  stream = null
  clearInterval(timer)
}

// --- the end of the log

async function tail(list) {
  while (list.dataset.final === undefined && list.isConnected) {
    if (document.hidden) {
      await new Promise((shown) => document.addEventListener('visibilitychange', shown, { once: true }))
      continue
    }
    try {
      const page = await fetched(`${list.dataset.log}?after=${list.dataset.after}`)
      const more = page.querySelector('ol')
      const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 24
      list.dataset.after = more.dataset.after
      list.append(...more.children)
      while (list.childElementCount > LINES) list.firstElementChild.remove()
      if (atEnd) list.scrollTop = list.scrollHeight
      if (more.dataset.final !== undefined) {
        list.dataset.final = ''
        look()
      }
    } catch {
      await new Promise((rested) => setTimeout(rested, POLL))
    }
  }
}
const LINES = 5000 // lines that a page keeps

// --- times that pass

const LENGTHS = [['d', 86400], ['h', 3600], ['min', 60]]
const two = (number) => String(number).padStart(2, '0')

function lasting(seconds) {
  const s = Math.max(0, Math.floor(seconds))
  if (s === 0) return '< 1 s'
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`
  return `${Math.floor(s / 86400)} d ${two(Math.floor((s % 86400) / 3600))} h`
}

function ago(seconds) {
  const [unit, size] = LENGTHS.find(([, least]) => Math.abs(seconds) >= least) ?? ['s', 1]
  const amount = `${Math.floor(Math.abs(seconds) / size)} ${unit}`
  if (seconds <= -1) return `in ${amount}`
  return seconds < 1 ? 'now' : `${amount} ago`
}

function tick() {
  if (document.hidden) return
  for (const time of document.querySelectorAll('time[data-ago], time[data-since]')) {
    const passed = Date.now() / 1000 - Date.parse(time.dateTime) / 1000
    if (time.dataset.ago !== undefined && Math.abs(passed) >= 30 * 86400) continue // the date is there
    const text = time.dataset.since !== undefined ? lasting(passed) : ago(passed)
    if (time.textContent !== text) time.textContent = text
  }
}

// --- what can be pressed

/** Show what only works with this file. */
function reveal(node) {
  if (node.nodeType !== 1) return
  for (const part of node.querySelectorAll('[data-copy], [data-script]')) part.hidden = false
}

async function copy(button) {
  const text = button.dataset.copy
  try {
    await navigator.clipboard.writeText(text)
  } catch { // over plain http browsers have no clipboard but this
    const field = document.createElement('textarea')
    field.value = text
    field.className = 'unseen'
    document.body.append(field)
    field.select()
    document.execCommand('copy')
    field.remove()
    button.focus()
  }
  button.textContent = 'copied'
  setTimeout(() => (button.textContent = 'copy'), 1500)
}

document.addEventListener('click', (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return
  const row = event.target.closest('tr[data-key]')
  if (row && !event.target.closest('a, code') && getSelection().isCollapsed) row.querySelector('a').click()
  const pressed = event.target.closest('[data-copy], [data-dialog], [data-close]')
  if (!pressed) return
  if (pressed.dataset.copy !== undefined) copy(pressed)
  else if (pressed.dataset.dialog) {
    event.preventDefault()
    document.getElementById(pressed.dataset.dialog).showModal()
  } else pressed.closest('dialog').close()
})

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, textarea, dialog')) return
  if (event.key === '/') {
    const filter = document.getElementById('filter')
    if (!filter) return
    event.preventDefault()
    filter.select()
  } else if (event.key === 'j' || event.key === 'k') {
    const links = [...document.querySelectorAll('.jobs .what a')]
    const at = links.indexOf(document.activeElement)
    const next = at < 0 ? 0 : at + (event.key === 'j' ? 1 : -1)
    links[Math.min(Math.max(next, 0), links.length - 1)]?.focus()
  }
})

document.documentElement.dataset.script = ''
reveal(document.body)
if (live) {
  listen()
  setInterval(tick, 1000)
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) close()
    else {
      tick()
      if (!settled()) look()
      listen()
    }
  })
  for (const list of document.querySelectorAll('[data-log]')) {
    list.scrollTop = list.scrollHeight
    tail(list)
  }
}
