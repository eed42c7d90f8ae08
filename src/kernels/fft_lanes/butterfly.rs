//! The discrete Fourier transform of 2 to 13 complex registers, forward: y[q] = Σᵣ x[r] e^(−2πi qr/R).

use crate::kernels::lanes::Lanes;

/// cos and sin of 2πm/R for m = 0..R: what an odd butterfly multiplies with. The compiler has no cosine, hence the table.
struct Roots<const R: usize>;

/// cos 2πm/R, sin 2πm/R for m = 1..=(R−1)/2.
const fn half_turn(radix: usize) -> &'static [[f64; 2]] {
    match radix {
        3 => &[[-0.5, 0.866_025_403_784_438_6]],
        5 => {
            &[[0.309_016_994_374_947_45, 0.951_056_516_295_153_5], [-0.809_016_994_374_947_5, 0.587_785_252_292_473_1]]
        }
        7 => &[
            [0.623_489_801_858_733_5, 0.781_831_482_468_029_8],
            [-0.222_520_933_956_314_4, 0.974_927_912_181_823_6],
            [-0.900_968_867_902_419_1, 0.433_883_739_117_558_1],
        ],
        11 => &[
            [0.841_253_532_831_181_2, 0.540_640_817_455_597_6],
            [0.415_415_013_001_886_44, 0.909_631_995_354_518_4],
            [-0.142_314_838_273_285_14, 0.989_821_441_880_932_7],
            [-0.654_860_733_945_285_1, 0.755_749_574_354_258_3],
            [-0.959_492_973_614_497_4, 0.281_732_556_841_429_7],
        ],
        13 => &[
            [0.885_456_025_653_209_9, 0.464_723_172_043_768_5],
            [0.568_064_746_731_155_8, 0.822_983_865_893_656_4],
            [0.120_536_680_255_323, 0.992_708_874_098_054],
            [-0.354_604_887_042_535_6, 0.935_016_242_685_414_8],
            [-0.748_510_748_171_101_1, 0.663_122_658_240_795_3],
            [-0.970_941_817_426_052, 0.239_315_664_287_557_77],
        ],
        _ => &[],
    }
}

impl<const R: usize> Roots<R> {
    const ALL: [[f32; 2]; R] = {
        let half = half_turn(R);
        let mut all = [[1.0, 0.0]; R];
        let mut m = 1;
        while m < R && !half.is_empty() {
            let [cos, sin] = half[if 2 * m < R { m } else { R - m } - 1];
            all[m] = [cos as f32, if 2 * m < R { sin } else { -sin } as f32];
            m += 1;
        }
        all
    };
}

/// Real and imaginary parts.
type Parts<'a, L, const R: usize> = (&'a mut [L; R], &'a mut [L; R]);

/// In place.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn butterfly<L: Lanes, const R: usize>((re, im): Parts<L, R>) {
    // SAFETY: the caller's.
    unsafe {
        match R {
            2 => two(re, im, 0, 1),
            4 => four(re, im, [0, 1, 2, 3]),
            8 => eight(re, im),
            _ => odd((re, im)),
        }
    }
}

/// Numbers a and b become a + b and a − b.
#[inline(always)]
unsafe fn two<L: Lanes>(re: &mut [L], im: &mut [L], a: usize, b: usize) {
    unsafe {
        (re[a], re[b]) = (re[a].add(re[b]), re[a].sub(re[b]));
        (im[a], im[b]) = (im[a].add(im[b]), im[a].sub(im[b]));
    }
}

/// The transform of four, in order.
#[inline(always)]
unsafe fn four<L: Lanes>(re: &mut [L], im: &mut [L], [a, b, c, d]: [usize; 4]) {
    unsafe {
        two(re, im, a, c);
        two(re, im, b, d);
        two(re, im, a, b);
        // c − i d and c + i d.
        let (c_re, c_im, d_re, d_im) = (re[c], im[c], re[d], im[d]);
        let (second, fourth) = ((c_re.add(d_im), c_im.sub(d_re)), (c_re.sub(d_im), c_im.add(d_re)));
        (re[c], im[c]) = (re[b], im[b]);
        (re[b], im[b]) = second;
        (re[d], im[d]) = fourth;
    }
}

#[inline(always)]
unsafe fn eight<L: Lanes, const R: usize>(re: &mut [L; R], im: &mut [L; R]) {
    unsafe {
        four(re, im, [0, 2, 4, 6]);
        four(re, im, [1, 3, 5, 7]);
        let (x_re, x_im) = (*re, *im);
        let root = L::splat(std::f32::consts::FRAC_1_SQRT_2);
        // The odd ones turn by an eighth, by a quarter, by three eighths.
        (re[0], im[0]) = (x_re[0].add(x_re[1]), x_im[0].add(x_im[1]));
        (re[4], im[4]) = (x_re[0].sub(x_re[1]), x_im[0].sub(x_im[1]));
        (re[2], im[2]) = (x_re[4].add(x_im[5]), x_im[4].sub(x_re[5]));
        (re[6], im[6]) = (x_re[4].sub(x_im[5]), x_im[4].add(x_re[5]));
        let (sum, difference) = (x_re[3].add(x_im[3]), x_im[3].sub(x_re[3]));
        (re[1], im[1]) = (sum.mul_add(root, x_re[2]), difference.mul_add(root, x_im[2]));
        (re[5], im[5]) = (sum.neg_mul_add(root, x_re[2]), difference.neg_mul_add(root, x_im[2]));
        let (sum, difference) = (x_re[7].add(x_im[7]), x_im[7].sub(x_re[7]));
        (re[3], im[3]) = (difference.mul_add(root, x_re[6]), sum.neg_mul_add(root, x_im[6]));
        (re[7], im[7]) = (difference.neg_mul_add(root, x_re[6]), sum.mul_add(root, x_im[6]));
    }
}

/// y[q], y[R−q] = x[0] + Σᵣ cos(2πqr/R) (x[r] + x[R−r]) ∓ i sin(2πqr/R) (x[r] − x[R−r]), r = 1..=(R−1)/2.
#[inline(always)]
unsafe fn odd<L: Lanes, const R: usize>((re, im): Parts<L, R>) {
    unsafe {
        for r in 1..=R / 2 {
            two(re, im, r, R - r);
        }
        let (x_re, x_im) = (*re, *im);
        for r in 1..=R / 2 {
            (re[0], im[0]) = (re[0].add(x_re[r]), im[0].add(x_im[r]));
        }
        for q in 1..=R / 2 {
            let [cos, sin] = Roots::<R>::ALL[q].map(|part| L::splat(part));
            let mut even = (x_re[1].mul_add(cos, x_re[0]), x_im[1].mul_add(cos, x_im[0]));
            let mut odd = (x_im[R - 1].mul(sin), x_re[R - 1].mul(sin));
            for r in 2..=R / 2 {
                let [cos, sin] = Roots::<R>::ALL[q * r % R].map(|part| L::splat(part));
                even = (x_re[r].mul_add(cos, even.0), x_im[r].mul_add(cos, even.1));
                odd = (x_im[R - r].mul_add(sin, odd.0), x_re[R - r].mul_add(sin, odd.1));
            }
            (re[q], im[q]) = (even.0.add(odd.0), even.1.sub(odd.1));
            (re[R - q], im[R - q]) = (even.0.sub(odd.0), even.1.add(odd.1));
        }
    }
}
