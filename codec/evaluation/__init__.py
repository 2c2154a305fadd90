"""Measuring pictures and curves: PSNR, MS-SSIM, Bjontegaard deltas."""
