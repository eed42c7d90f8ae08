#!/usr/bin/env bash
# A resolution phantom between bottles, eight coils, 60 spiral arms of 1182 samples. Data: the ESPIRiT demonstration (UC Regents,
# for research and teaching), as spiral_8ch_phantom.mat in the folder $RUSHLIGHT_DATA.
set -euo pipefail
scan=${RUSHLIGHT_DATA:-../shared/data}/mr-kspace/spiral_8ch_phantom.mat
# Samples [sample, arm, coil] and a complex trajectory kx + i·ky of −½…½ cycles a voxel. The arms lie 1/373 apart, so that the field of view
# is 373 voxels; a matrix of 256 would cut the bottles off, and what lies outside would be laid over what is inside.
flags=(--trajectory "$scan:/k" --trajectory-unit voxel --matrix 384,384)
rushlight recon "$scan:/data" "${flags[@]}" --method sense --part magnitude -o spiral-sense.png
rushlight recon "$scan:/data" "${flags[@]}" --method tv --part magnitude -o spiral-tv.png
