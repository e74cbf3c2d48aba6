use super::{Canvas, Piece};
use crate::format::width;
use crate::theme::{Mark, Role};

/// What floats over a screen: the only thing with a border.
#[derive(Debug)]
pub(crate) struct Modal<'a> {
    pub(crate) title: &'a str,
    pub(crate) title_end: Vec<Piece>,
    pub(crate) foot: Vec<Piece>,
    pub(crate) foot_end: Vec<Piece>,
    pub(crate) width: u16,
    pub(crate) height: u16,
}

impl Modal<'_> {
    /// Draws the border in the middle of the canvas and hands the inside to `content`.
    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, content: impl FnOnce(&mut Canvas<'_>)) {
        let (width, height) = (
            self.width.min(canvas.width()),
            self.height.min(canvas.height()),
        );
        if width < 4 || height < 3 {
            return;
        }
        let (x, y) = ((canvas.width() - width) / 2, (canvas.height() - height) / 2);
        let mut frame = canvas.part(x, y, width, height);
        frame.clear();
        border(&mut frame);
        let end = caption(&mut frame, 0, &[super::piece(self.title, Role::Strong)], 0);
        caption(&mut frame, 0, &self.title_end, end);
        let end = caption(&mut frame, height - 1, &self.foot, 0);
        caption(&mut frame, height - 1, &self.foot_end, end);
        content(&mut frame.part(2, 1, width - 4, height - 2));
    }
}

fn border(frame: &mut Canvas<'_>) {
    let theme = frame.theme();
    let (width, height) = (frame.width(), frame.height());
    frame.rule(0);
    frame.rule(height - 1);
    for y in 0..height {
        frame.put(0, y, theme.mark(Mark::Upright), Role::Rule);
        frame.put(width - 1, y, theme.mark(Mark::Upright), Role::Rule);
    }
    let places = [
        (0, 0),
        (width - 1, 0),
        (0, height - 1),
        (width - 1, height - 1),
    ];
    for ((x, y), corner) in places.into_iter().zip(theme.mark(Mark::Corners).chars()) {
        frame.put(x, y, corner.encode_utf8(&mut [0; 4]), Role::Rule);
    }
}

/// Writes into the border: at the left, or, after `taken` columns of it, at the right if there is room.
fn caption(frame: &mut Canvas<'_>, y: u16, pieces: &[Piece], taken: u16) -> u16 {
    let length: usize = pieces.iter().map(|piece| width(&piece.text)).sum();
    if length == 0 {
        return taken;
    }
    let room = frame.width().saturating_sub(4);
    let length = (length as u16 + 2).min(room);
    let x = if taken == 0 {
        2
    } else {
        (frame.width() - 2).saturating_sub(length)
    };
    if x < taken {
        return taken;
    }
    let mut caption = frame.part(x, y, length, 1);
    caption.clear();
    let inside = caption.width().saturating_sub(2);
    caption.part(1, 0, inside, 1).line(0, 0, pieces);
    x + length
}
