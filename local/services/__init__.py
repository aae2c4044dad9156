"""The AWS services whose behaviour is Flyball's own rather than moto's."""
