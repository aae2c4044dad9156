"""API Gateway's REST APIs, served: the control plane is moto's, the data plane is this package.

`snapshot` reads a deployment into an immutable `Api`, `gateway` answers requests from it, `server` puts HTTPS in
front. Real: routing, SigV4, API keys, throttles, quotas, proxy events, gateway responses, limits, access logs.
Simulated: IAM decides nothing beyond the signature, X-Ray headers are made up, EDGE and REGIONAL are alike.
Everything else is refused by name when a deployment is made.
"""
