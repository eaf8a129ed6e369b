from .segmentation import head_losses

__all__ = ['head_losses']
