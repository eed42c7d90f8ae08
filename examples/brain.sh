#!/usr/bin/env bash
# A head, eight coils, 12 % of k-space sampled, a Poisson disc. Data: SigPy's MR tutorial (BSD-3), as
# sigpy_cartesian_ksp_undersampled.npy in the folder $RUSHLIGHT_DATA.
set -euo pipefail
data=${RUSHLIGHT_DATA:-../shared/data}/mr-kspace
scan=$data/sigpy_cartesian_ksp_undersampled.npy            # [coil, y, x]; zeros were not sampled
# SENSE is sharp and grainy: as much noise as eight coils leave of an eighth of the samples.
rushlight recon "$scan" --method sense --part magnitude -o brain-sense.png
# Wavelets or total variation take the grain away; strength and iterations come from the noise.
rushlight recon "$scan" --method l1-wavelet --part magnitude -o brain-l1-wavelet.png
rushlight recon "$scan" --method tv --part magnitude -o brain-tv.png
# The phase: smooth over the brain; at the back of the head it passes π once and wraps.
rushlight recon "$scan" --method l1-wavelet --part phase -o brain-phase.png
# The same head fully sampled, if BART's ESPIRiT demonstration is there, to compare with.
full=$data/brain8ch_full.cfl
if [ -f "$full" ]; then
    rushlight recon "$full" --calibration 24 -o brain-full.npy
fi
