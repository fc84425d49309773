// The sheet's one button.
"use strict";
document.getElementById("print").addEventListener("click", () => print());
