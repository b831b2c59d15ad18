// SPDX-License-Identifier: MIT
// See timer_wheel.h. A timer sits on the level whose slots are as coarse as its distance; when the clock enters a coarse
// slot, its timers move down (cascade), so that only level 0 ever fires.
#include "loop/timer_wheel.h"

namespace mw {

static void list_reset(Timer *head) { head->next = head->prev = head; }

static void list_append(Timer *head, Timer *t) {
  t->next = head;
  t->prev = head->prev;
  head->prev->next = t;
  head->prev = t;
}

static void list_prepend(Timer *head, Timer *t) { list_append(head->next, t); }

static void list_unlink(Timer *t) {
  t->prev->next = t->next;
  t->next->prev = t->prev;
  t->next = t->prev = nullptr;
}

/// Moves all of `from` to the empty list `to`.
static void list_take(Timer *from, Timer *to) {
  if (from->next == from) return list_reset(to);
  to->next = from->next;
  to->prev = from->prev;
  to->next->prev = to->prev->next = to;
  list_reset(from);
}

TimerWheel::TimerWheel() {
  for (Timer &h : heads_) list_reset(&h);
  list_reset(&due_);
}

void TimerWheel::place(Timer *t, int level, int slot, bool first) {
  t->slot = static_cast<uint16_t>(level * kSlots + slot);
  occupied_[level] |= uint64_t{1} << slot;
  Timer *head = &heads_[t->slot];
  if (first)
    list_prepend(head, t);
  else
    list_append(head, t);
}

void TimerWheel::link(Timer *t, bool first) {
  uint64_t delta = t->deadline - now_;
  int level = (63 - __builtin_clzll(delta)) / kBits;
  uint64_t at = t->deadline;
  if (level >= kLevels) {  // beyond the wheel's 795 days: park at its far end, the cascade links it anew
    level = kLevels - 1;
    at = now_ + (uint64_t{1} << (kBits * kLevels)) - 1;
  }
  place(t, level, static_cast<int>((at >> (kBits * level)) & (kSlots - 1)), first);
}

void TimerWheel::add(Timer *t, uint64_t deadline) {
  if (t->is_armed()) cancel(t);
  t->deadline = deadline;
  if (deadline > now_) return link(t, false);
  t->slot = UINT16_MAX;
  list_append(&due_, t);
}

void TimerWheel::cancel(Timer *t) {
  if (!t->is_armed()) return;
  list_unlink(t);
  if (t->slot == UINT16_MAX) return;
  Timer *head = &heads_[t->slot];
  if (head->next == head) occupied_[t->slot / kSlots] &= ~(uint64_t{1} << (t->slot % kSlots));
}

uint64_t TimerWheel::next_tick() const {
  uint64_t best = UINT64_MAX;
  for (int level = 0; level < kLevels; ++level) {
    if (!occupied_[level]) continue;
    uint64_t pos = now_ >> (kBits * level);
    // Rotate so that bit 0 is the slot after the current one; the current slot itself is a whole turn away.
    unsigned shift = static_cast<unsigned>((pos + 1) & (kSlots - 1));
    uint64_t turned = shift ? (occupied_[level] >> shift) | (occupied_[level] << (kSlots - shift)) : occupied_[level];
    uint64_t tick = (pos + 1 + static_cast<uint64_t>(__builtin_ctzll(turned))) << (kBits * level);
    if (tick < best) best = tick;
  }
  return best;
}

void TimerWheel::cascade(int level, int slot) {
  occupied_[level] &= ~(uint64_t{1} << slot);
  Timer moved;
  list_take(&heads_[level * kSlots + slot], &moved);
  // From the last to the first, each before what its new slot has: of equal deadlines the one from further out is the older.
  while (moved.next != &moved) {
    Timer *t = moved.prev;
    list_unlink(t);
    if (t->deadline > now_)
      link(t, true);
    else
      place(t, 0, static_cast<int>(now_ & (kSlots - 1)), true);
  }
}

void TimerWheel::fire_list(Timer *head) {
  Timer ready;
  list_take(head, &ready);
  while (ready.next != &ready) {  // re-read each time: a callback may cancel its neighbours
    Timer *t = ready.next;
    list_unlink(t);
    t->fire(t);
  }
}

void TimerWheel::advance(uint64_t now) {
  fire_list(&due_);
  for (uint64_t tick = next_tick(); tick <= now; tick = next_tick()) {
    now_ = tick;
    for (int level = 1; level < kLevels; ++level)
      if ((tick & ((uint64_t{1} << (kBits * level)) - 1)) == 0)
        cascade(level, static_cast<int>((tick >> (kBits * level)) & (kSlots - 1)));
    int slot = static_cast<int>(tick & (kSlots - 1));
    occupied_[0] &= ~(uint64_t{1} << slot);
    Timer *head = &heads_[slot];
    // Out of any slot, so that cancel() only unlinks them.
    for (Timer *t = head->next; t != head; t = t->next) t->slot = UINT16_MAX;
    fire_list(head);
  }
  if (now > now_) now_ = now;
}

int64_t TimerWheel::next_delay(uint64_t now) const {
  if (due_.next != &due_) return 0;
  uint64_t tick = next_tick();
  if (tick == UINT64_MAX) return -1;
  return tick <= now ? 0 : static_cast<int64_t>(tick - now);
}

}  // namespace mw
