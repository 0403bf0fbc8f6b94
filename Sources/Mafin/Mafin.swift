@_exported import MafinComparison
@_exported import MafinMethod
@_exported import MafinPipeline
