// The sheet's one button, and a smaller film where all that is written would else need a second page.
"use strict";
const sheet = document.querySelector(".sheet"), film = sheet.querySelector(".film");
const excess = sheet.offsetHeight - parseFloat(getComputedStyle(sheet).minHeight);
if (excess > 0) film.style.height = `${Math.max(0, film.offsetHeight - excess)}px`; // print.css knows how small it may become
document.getElementById("print").addEventListener("click", () => print());
