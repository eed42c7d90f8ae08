//! What penalised likelihood minimises: f(x) = Σ h(A x) over blocks of rays + β·R(x).

use super::{DataTerm, Neighbourhood, Smooth};
use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    operators::{Factor, LinearOperator, Scalars, scalars},
};

/// Some of the rays: h(A x).
pub struct Block {
    /// A.
    pub operator: Box<dyn LinearOperator>,
    /// h.
    pub term: Box<dyn DataTerm>,
}

/// The whole function, block by block.
pub struct Objective {
    device: Device,
    blocks: Vec<Block>,
    penalty: Option<Neighbourhood>,
    /// A line array a block.
    lines: Vec<Array>,
    /// The part of one block, where there are several.
    part: Option<Array>,
    scalars: Scalars,
}

impl Objective {
    /// Puts blocks and a penalty together.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// Without blocks, or with shapes that do not fit.
    #[track_caller]
    pub fn new(device: &Device, blocks: Vec<Block>, penalty: Option<Neighbourhood>) -> Result<Self> {
        let domain = blocks[0].operator.domain().to_vec();
        for Block { operator, term } in &blocks {
            assert_eq!(operator.domain(), domain, "the blocks' images");
            assert_eq!(operator.range(), term.shape(), "a block's lines");
        }
        let zeros = |shape: &[usize]| device.zeros(shape, Element::F32);
        let lines = blocks.iter().map(|block| zeros(block.operator.range())).collect::<Result<_>>()?;
        let part = if blocks.len() > 1 { Some(zeros(&domain)?) } else { None };
        Ok(Self { device: device.clone(), blocks, penalty, lines, part, scalars: Scalars::new(device, &[], &[])? })
    }

    /// The image's shape.
    pub fn domain(&self) -> &[usize] {
        self.blocks[0].operator.domain()
    }

    /// Where it is computed.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Number of blocks.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// g ← M·∇h of one of the M blocks + β·∇R: close to the whole gradient.
    ///
    /// # Errors
    /// Those of the operator.
    pub fn gradient_by(&mut self, block: usize, x: &Array, g: &mut Array) -> Result<()> {
        let count = self.blocks.len() as f32;
        self.data_gradient(block, x, g)?;
        match &self.penalty {
            Some(penalty) => penalty.add_gradient(x, count, g),
            // Without a penalty there is nothing to fuse the factor with; one block needs none.
            None if count > 1.0 => {
                if let Some(part) = &self.part {
                    self.scalars.blend(Factor::constant(0.0), part, Factor::constant(count), g);
                }
            }
            None => {}
        }
        Ok(())
    }

    fn data_gradient(&mut self, block: usize, x: &Array, g: &mut Array) -> Result<()> {
        let (Block { operator, term }, lines) = (&self.blocks[block], &mut self.lines[block]);
        operator.forward(x, lines)?;
        term.slope(lines);
        operator.adjoint(lines, g)
    }

    /// Curvatures of the separable quadratic surrogates, d = M · max over the blocks of Aᵀ(c ∘ A 1) + 2β (Erdoğan & Fessler
    /// 1999), so that no block overshoots. Their largest bounds the gradient's Lipschitz constant.
    ///
    /// # Errors
    /// [`Error::Option`] for operators with negative weights, whose surrogates these are not; those of the operators.
    pub fn curvatures(&mut self) -> Result<Vec<f32>> {
        let filled = |shape: &[usize], value: f32| self.device.upload(shape, vec![value; shape.iter().product()]);
        let ones = filled(self.domain(), 1.0)?;
        let mut back = self.device.zeros(self.domain(), Element::F32)?;
        let mut curvatures = vec![0.0_f32; self.domain().iter().product()];
        for (Block { operator, term }, lines) in self.blocks.iter().zip(&mut self.lines) {
            operator.forward(&ones, lines)?;
            // c·(l − 0).
            scalars::weigh(&self.device, -1.0, &filled(operator.range(), 0.0)?, term.curvature(), lines);
            operator.adjoint(lines, &mut back)?;
            let back = self.device.download::<f32>(&back)?;
            if let Some(curvature) = back.iter().find(|curvature| **curvature < 0.0) {
                return Err(Error::Option(format!(
                    "a curvature of {curvature}: separable surrogates need operators without negative weights"
                )));
            }
            curvatures.iter_mut().zip(back).for_each(|(most, curvature)| *most = most.max(curvature));
        }
        let penalty = self.penalty.as_ref().map_or(0.0, Neighbourhood::curvature);
        let count = self.blocks.len() as f32;
        curvatures.iter_mut().for_each(|curvature| *curvature = count * *curvature + penalty);
        Ok(curvatures)
    }
}

impl Smooth for Objective {
    fn gradient(&mut self, x: &Array, g: &mut Array) -> Result<()> {
        self.data_gradient(0, x, g)?;
        if let Some(mut part) = self.part.take() {
            for block in 1..self.blocks.len() {
                self.data_gradient(block, x, &mut part)?;
                self.scalars.blend(Factor::constant(1.0), &part, Factor::constant(1.0), g);
            }
            self.part = Some(part);
        }
        if let Some(penalty) = &self.penalty {
            penalty.add_gradient(x, 1.0, g);
        }
        Ok(())
    }

    fn value(&mut self, x: &Array) -> Result<f64> {
        let mut sum = 0.0;
        for (Block { operator, term }, lines) in self.blocks.iter().zip(&mut self.lines) {
            operator.forward(x, lines)?;
            sum += term.value(lines)?;
        }
        Ok(sum + self.penalty.as_ref().map_or(Ok(0.0), |penalty| penalty.value(x))?)
    }
}
