//! Who may ask now: so many at a time, the others in the order in which they came.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use futures::channel::oneshot;

/// All turns.
pub struct Turns {
    n_free: Cell<usize>,
    waiting: RefCell<VecDeque<oneshot::Sender<Turn>>>,
}

/// Somebody's turn. It goes to the next when it is dropped.
pub struct Turn(Rc<Turns>);

impl Turns {
    pub fn new(n: usize) -> Rc<Self> {
        Rc::new(Self { n_free: Cell::new(n), waiting: RefCell::default() })
    }

    /// Waits for a turn. There always comes one, unless the object ends first.
    pub async fn take(self: &Rc<Self>) -> Option<Turn> {
        if let Some(n_left) = self.n_free.get().checked_sub(1) {
            self.n_free.set(n_left);
            return Some(Turn(Rc::clone(self)));
        }
        let (sender, turn) = oneshot::channel();
        self.waiting.borrow_mut().push_back(sender);
        turn.await.ok()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        loop {
            let next = self.0.waiting.borrow_mut().pop_front();
            let Some(next) = next else { break };
            if !next.is_canceled() {
                // Whoever waits for it and leaves before looking drops it, and it comes here again.
                let _left = next.send(Self(Rc::clone(&self.0)));
                return;
            }
        }
        self.0.n_free.set(self.0.n_free.get() + 1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn turns_come_in_order() {
        let turns = Turns::new(2);
        let first = turns.take().now_or_never().unwrap();
        let second = turns.take().now_or_never().unwrap();
        let (mut third, mut fourth) = (Box::pin(turns.take()), Box::pin(turns.take()));
        assert!((&mut third).now_or_never().is_none() && (&mut fourth).now_or_never().is_none());
        drop(first);
        assert!((&mut fourth).now_or_never().is_none());
        let third = (&mut third).now_or_never().unwrap();
        drop(second);
        let fourth = (&mut fourth).now_or_never().unwrap();
        assert!(turns.take().now_or_never().is_none());
        drop((third, fourth));
        assert_eq!(turns.n_free.get(), 2);
    }

    #[test]
    fn who_leaves_takes_no_turn_along() {
        let turns = Turns::new(1);
        let first = turns.take().now_or_never().unwrap();
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(turns.take())).collect();
        for one in &mut waiting {
            assert!(one.now_or_never().is_none());
        }
        let (last, second) = (waiting.pop().unwrap(), waiting.pop().unwrap());
        // One left before it was its turn, one when it was and it did not know yet.
        drop(waiting);
        drop(first);
        assert_eq!(turns.n_free.get(), 0);
        drop(second);
        let last = last.now_or_never().unwrap();
        assert!(last.is_some());
        drop(last);
        assert_eq!(turns.n_free.get(), 1);
    }
}
